package io.apprxy.rewrite;

import io.apprxy.Application;
import io.apprxy.HeaderNames;
import java.util.Collection;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The names of the headers that tell an identity to an origin, in every spelling. Clients may send
 * those of any application to none: two applications may be two paths of one origin, and only one
 * of them signed on. Immutable. For the engine.
 */
public final class IdentityHeaders {
  private static final IdentityHeaders NONE = named();

  /** As {@link HeaderNames#fold} makes them. */
  private final Set<String> folded;

  private IdentityHeaders(Stream<String> names) {
    folded = names.map(HeaderNames::fold).collect(Collectors.toUnmodifiableSet());
  }

  /** Of all these applications together. */
  public static IdentityHeaders of(Collection<Application> applications) {
    return new IdentityHeaders(
        applications.stream()
            .flatMap(application -> application.singleSignOn().headerNames().stream()));
  }

  /** Of these names. */
  public static IdentityHeaders named(String... names) {
    return new IdentityHeaders(Stream.of(names));
  }

  /** None, as in a response. */
  public static IdentityHeaders none() {
    return NONE;
  }

  /** Whether a folded name is one of them. */
  boolean has(String foldedName) {
    return folded.contains(foldedName);
  }
}
