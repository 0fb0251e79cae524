package io.apprxy.tunnel;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Why there was no update. Nothing has changed on disk. */
public final class UpdateException extends Exception {
  private final Reason reason;

  /** What was wrong. */
  public enum Reason {
    /** The server of the release could not be reached, or has no such file. */
    UNREACHABLE(false),
    /** The server of the release was too slow. */
    TIMEOUT(false),
    /** The release could not be written to the directory. */
    NOT_WRITTEN(false),
    /** The release was installed before, and did not come up: the former one runs again. */
    NOT_STARTED(false),
    /** The certificate of the server is not trusted. */
    CERTIFICATE(true),
    /** The server sent us to another host, or away from https. */
    REDIRECT(true),
    /** No pinned key has signed the manifest. */
    SIGNATURE(true),
    /** The manifest is signed, but is none. */
    MANIFEST(true),
    /** The manifest was good until a time that has passed. */
    EXPIRED(true),
    /** The release is not newer than what runs: an old manifest, sent again. */
    DOWNGRADE(true),
    /** The release is older than the one that was announced: an old manifest, sent again. */
    OLDER_THAN_ANNOUNCED(true),
    /** The release needs a newer Java than this. */
    JAVA(true),
    /** A file is larger than it may be, or not as long as its manifest says. */
    SIZE(true),
    /** The file is another one than its manifest says. */
    HASH(true);

    private final boolean refusal;

    Reason(boolean refusal) {
      this.refusal = refusal;
    }

    /**
     * Whether the release was there and was refused: somebody should look at who publishes
     * releases, or who sits on the way to them. Otherwise the attempt failed, and a later one may
     * not.
     */
    public boolean isRefusal() {
      return refusal;
    }
  }

  /**
   * A reason, and what to do about it.
   *
   * @param message says what was found, what was expected, and what to do
   */
  public UpdateException(Reason reason, String message) {
    this(reason, message, null);
  }

  UpdateException(Reason reason, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.reason = Objects.requireNonNull(reason, "reason");
  }

  /** What was wrong. */
  public Reason reason() {
    return reason;
  }
}
