package io.apprxy.route;

import static java.util.Comparator.comparing;

import io.apprxy.Application;
import io.apprxy.CanonicalPath;
import io.apprxy.Exchange;
import io.apprxy.GatewayException;
import java.net.URI;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Which application an external URL belongs to. Immutable. */
public final class Routes {
  /** Of two applications of a host, the one that answers for the gateway's own paths. */
  private static final Comparator<Application> RESERVED_ORDER =
      comparing(Application::externalAuthentication) // PRE_AUTHENTICATION is declared first
          .thenComparingInt(application -> path(application).length())
          .thenComparing(Application::id);

  private final Map<String, Site> sites;

  private Routes(Map<String, Site> sites) {
    this.sites = sites;
  }

  /**
   * Routes to these applications.
   *
   * @throws IllegalArgumentException if two share an id or an external URL, or an external URL is
   *     not canonical or lies under {@link Exchange#RESERVED_PREFIX}; the message names the
   *     applications
   */
  public static Routes of(Collection<Application> applications) {
    Map<String, Application> byId = new HashMap<>();
    Map<String, Site> sites = new HashMap<>();
    for (Application application : applications) {
      Application same = byId.putIfAbsent(application.id(), application);
      if (same != null) {
        throw new IllegalArgumentException(
            "two applications have the id "
                + same.id()
                + ": "
                + same.externalUrl()
                + " and "
                + application.externalUrl());
      }
      sites.computeIfAbsent(site(application), key -> new Site()).add(application);
    }
    return new Routes(Map.copyOf(sites));
  }

  /**
   * The application that serves the target: of those at its scheme, host and port, the one whose
   * path is the longest prefix. The path of an application's metadata is its own. A reserved path
   * belongs to one fixed application of the host: the pre-authenticated one with the shortest path.
   * Null if there is none.
   */
  public @Nullable Application find(RequestTarget target) {
    Site site = site(target);
    if (site == null) {
      return null;
    }
    if (target.path().startsWith(Exchange.RESERVED_PREFIX)) {
      return site.reserved;
    }
    Application described = site.byMetadata.get(target.path());
    return described == null ? site.longestPrefix(target.path()) : described;
  }

  /**
   * Where to redirect (308) a target that lacks the slash at its end, as a path with query: {@code
   * /wiki/?x} for {@code /wiki?x} and an application at {@code /wiki/}; null if no redirect is due.
   * Relative links would not work otherwise. To be asked before {@link #find}.
   */
  public @Nullable String redirect(RequestTarget target) {
    Site site = site(target);
    String folder = target.path() + "/";
    if (site == null || !site.byPath.containsKey(folder)) {
      return null;
    }
    return target.query() == null ? folder : folder + "?" + target.query();
  }

  private @Nullable Site site(RequestTarget target) {
    return sites.get(target.scheme() + "://" + target.authority());
  }

  private static String site(Application application) {
    URI url = application.externalUrl();
    Authority authority = Authority.parse(url.getScheme(), url.getRawAuthority());
    if (authority == null) {
      throw new IllegalArgumentException(
          "application "
              + application.id()
              + ": externalUrl must have a plain host and port: "
              + url);
    }
    return url.getScheme() + "://" + authority.text();
  }

  private static String path(Application application) {
    return application.externalUrl().getRawPath();
  }

  /** The applications of one scheme, host and port. */
  private static final class Site {
    private final Map<String, Application> byPath = new HashMap<>();
    private final Map<String, Application> byMetadata = new HashMap<>();
    private @Nullable Application reserved;
    private int longest;

    void add(Application application) {
      String path = canonicalPath(application);
      Application same = byPath.putIfAbsent(path, application);
      if (same != null) {
        throw new IllegalArgumentException(
            "applications "
                + same.id()
                + " and "
                + application.id()
                + " have the same externalUrl: "
                + application.externalUrl());
      }
      if (application.bearerTokens() != null) {
        byMetadata.put(application.resourceMetadataPath(), application);
      }
      longest = Math.max(longest, path.length());
      if (reserved == null || RESERVED_ORDER.compare(application, reserved) < 0) {
        reserved = application;
      }
    }

    private static String canonicalPath(Application application) {
      String path = path(application);
      if (path.startsWith(Exchange.RESERVED_PREFIX)) {
        throw new IllegalArgumentException(
            "application "
                + application.id()
                + ": externalUrl must not lie under "
                + Exchange.RESERVED_PREFIX
                + ": "
                + path);
      }
      try {
        if (CanonicalPath.of(path).equals(path)) {
          return path;
        }
      } catch (GatewayException e) {
        throw new IllegalArgumentException(
            "application " + application.id() + ": externalUrl must have a plain path: " + path, e);
      }
      throw new IllegalArgumentException(
          "application "
              + application.id()
              + ": externalUrl must be written as "
              + CanonicalPath.of(path)
              + ", not "
              + path);
    }

    /**
     * Looks no further to the right than the longest path published, so that a path full of slashes
     * costs nothing.
     */
    @Nullable Application longestPrefix(String path) {
      for (int slash = path.lastIndexOf('/', longest - 1);
          slash >= 0;
          slash = path.lastIndexOf('/', slash - 1)) {
        Application application = byPath.get(path.substring(0, slash + 1));
        if (application != null) {
          return application;
        }
      }
      return null;
    }
  }
}
