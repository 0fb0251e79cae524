package io.apprxy;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A request cannot be served. The client sees the code, its texts and the correlation id; the
 * message and the cause go to the log only.
 */
public class GatewayException extends RuntimeException {
  private final ErrorCode code;

  public GatewayException(ErrorCode code, String message) {
    this(code, message, null);
  }

  public GatewayException(ErrorCode code, String message, @Nullable Throwable cause) {
    super(code.code() + " " + message, cause);
    this.code = Objects.requireNonNull(code, "code");
  }

  public ErrorCode code() {
    return code;
  }
}
