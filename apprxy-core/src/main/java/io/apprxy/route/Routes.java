package io.apprxy.route;

import io.apprxy.Application;
import java.util.Collection;
import org.jspecify.annotations.Nullable;

/** Which application an external URL belongs to. Immutable. */
public final class Routes {
  private Routes() {}

  /**
   * Routes to these applications.
   *
   * @throws IllegalArgumentException if two share an id or an external URL
   */
  public static Routes of(Collection<Application> applications) {
    return new Routes();
  }

  /**
   * The application that serves the target: of those at its scheme, host and port, the one whose path is the longest prefix. A
   * reserved path belongs to one fixed application of the host. Null if there is none.
   */
  public @Nullable Application find(RequestTarget target) {
    return null;
  }

  /**
   * Where to redirect (308) a target that lacks the slash at its end: {@code /wiki} for an application at {@code /wiki/}; null
   * if no redirect is due. To be asked before {@link #find}.
   */
  public @Nullable String redirect(RequestTarget target) {
    return null;
  }
}
