package io.apprxy.rewrite;

import io.apprxy.Application;

/** Between the external and the internal URLs of one application. Immutable; made once per application. For the engine. */
public final class UrlMapping {
  private UrlMapping() {}

  public static UrlMapping of(Application application) {
    return new UrlMapping();
  }

  /** The path at the origin of a canonical external path of this application. */
  public String toInternalPath(String externalPath) {
    return externalPath;
  }

  /** What the origin gets as {@code Host}: its own authority, or the external one, as the application wants it. */
  public String hostHeader() {
    return "";
  }

  /** The external form of a URL reference in a response, if it points at the origin; any other as it is. */
  public String toExternal(String reference) {
    return reference;
  }
}
