package io.apprxy.auth.servlet;

import io.apprxy.ErrorCode;
import io.apprxy.ErrorResponse;
import io.apprxy.GatewayException;
import io.apprxy.Response;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a filter answers itself. */
final class Answers {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.servlet");
  private static final SecureRandom RANDOM = new SecureRandom();

  private Answers() {}

  /** 128 random bits: an id that nobody can guess, nor make collide. */
  static String newId() {
    byte[] bits = new byte[16];
    RANDOM.nextBytes(bits);
    return HexFormat.of().formatHex(bits);
  }

  /** Sends a response, instead of one of the application. */
  static void send(HttpServletResponse to, Response response) throws IOException {
    to.resetBuffer();
    to.setStatus(response.status());
    boolean cached = false;
    for (Response.Header header : response.headers()) {
      if (header.name().equalsIgnoreCase("Content-Type")) {
        to.setContentType(header.value());
      } else if (header.name().equalsIgnoreCase("X-Request-Id")) {
        to.setHeader(header.name(), header.value());
      } else {
        to.addHeader(header.name(), header.value());
      }
      cached |= header.name().equalsIgnoreCase("Cache-Control");
    }
    if (!cached) {
      to.setHeader("Cache-Control", "no-store");
    }
    byte[] body = response.body();
    to.setContentLength(body.length);
    to.getOutputStream().write(body);
  }

  /** What a failure is told as, and logged. */
  static Response refusal(Throwable failed, String id, HttpServletRequest request) {
    return refusal(failed, id, Collections.list(request.getHeaders("Accept")));
  }

  static Response refusal(Throwable failed, String id, List<String> accept) {
    GatewayException cause =
        failed instanceof GatewayException known
            ? known
            : new GatewayException(ErrorCode.INTERNAL, "a stage failed", failed);
    if (cause.code() == ErrorCode.INTERNAL) {
      LOG.error("{} request failed", id, cause);
    } else {
      LOG.debug("{} {}", id, cause.getMessage(), cause);
    }
    return ErrorResponse.of(cause, id, accept);
  }
}
