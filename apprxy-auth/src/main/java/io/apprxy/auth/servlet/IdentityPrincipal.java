package io.apprxy.auth.servlet;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.security.Principal;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;

/**
 * The user of a request, as {@code getUserPrincipal} answers it. Immutable, but for whether it
 * {@link #stands}; thread-safe.
 */
public final class IdentityPrincipal implements Principal {
  private final Identity identity;
  private final String name;
  private final Set<String> roles;
  private final BooleanSupplier stands;

  IdentityPrincipal(Identity identity, String name, Set<String> roles, BooleanSupplier stands) {
    this.identity = identity;
    this.name = name;
    this.roles = Set.copyOf(roles);
    this.stands = stands;
  }

  /** The name, of the claim that the filter was told to take it from. */
  @Override
  public String getName() {
    return name;
  }

  /** All that is known of the user. */
  public Identity identity() {
    return identity;
  }

  /** Whether the user has this role: it is a value of one of the filter's role claims. */
  public boolean hasRole(String role) {
    return roles.contains(role);
  }

  /**
   * Whether the identity still stands: its session has not ended. For what lives longer than a
   * request, such as a WebSocket: whoever keeps one asks every now and then, and closes it. Behind
   * a gateway always true, since the gateway ends what it carries.
   */
  public boolean stands() {
    try {
      return stands.getAsBoolean();
    } catch (RuntimeException e) {
      return false;
    }
  }

  @Override
  public String toString() {
    return "IdentityPrincipal[" + identity + "]";
  }

  /** Which claims tell name and roles. */
  record Claims(String name, List<String> roles) {
    static final Claims DEFAULT = new Claims("sub", List.of("groups"));

    Claims {
      roles = List.copyOf(roles);
      if (name.isBlank() || roles.stream().anyMatch(String::isBlank)) {
        throw new IllegalArgumentException("the name of a claim must not be blank");
      }
    }

    /**
     * The principal.
     *
     * @throws GatewayException with {@link ErrorCode#SIGN_ON_FAILED} if the user has not exactly
     *     one name
     */
    IdentityPrincipal principal(Identity identity, BooleanSupplier stands) {
      List<String> names =
          identity.claim(name) instanceof Collection ? List.of() : identity.values(name);
      if (names.size() != 1 || names.get(0).isBlank()) {
        throw new GatewayException(
            ErrorCode.SIGN_ON_FAILED, "the user has no single " + name + " to be named by");
      }
      Set<String> held = new TreeSet<>();
      roles.forEach(claim -> held.addAll(identity.values(claim)));
      return new IdentityPrincipal(identity, names.get(0), held, stands);
    }
  }
}
