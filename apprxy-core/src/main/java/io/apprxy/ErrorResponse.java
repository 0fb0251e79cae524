package io.apprxy;

import java.util.List;

/** The response to a failure: a page for people, and problem details (RFC 9457) for programs. */
final class ErrorResponse {
  private ErrorResponse() {}

  /**
   * @param accept the values of the request's Accept headers: a page if they prefer HTML
   */
  static Response of(GatewayException failure, String requestId, List<String> accept) {
    return Response.of(failure.code().status());
  }
}
