package io.apprxy.auth.oidc;

import io.apprxy.auth.session.SessionsOf;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Whom an event is about (RFC 9493; Shared Signals Framework 1.0 §3), as marks of our sessions.
 * Where they cannot tell as precisely as the subject does, they tell more, never less.
 */
final class EventSubject {
  private static final int MAX = 512;
  private static final int MAX_ALIASES = 20;

  private final Set<String> issuers;

  /**
   * @param issuers of the users whom the transmitter may speak of
   */
  EventSubject(Set<String> issuers) {
    this.issuers = issuers;
  }

  /** What of a complex subject an event is about. */
  enum Aspect {
    USER,
    SESSION,
    DEVICE
  }

  /**
   * Whose sessions it means.
   *
   * @throws Refusal if that cannot be understood, or the transmitter may not speak of them
   */
  Collection<SessionsOf> of(@Nullable Object subject, Aspect aspect) {
    Map<String, Object> members = object(subject);
    if (isComplex(members)) {
      return complex(members, aspect);
    }
    return simple(members);
  }

  private static boolean isComplex(Map<String, Object> members) {
    Object format = members.get("format");
    return "complex".equals(format)
        || (format == null && (members.containsKey("user") || members.containsKey("session")));
  }

  private Collection<SessionsOf> simple(Map<String, Object> members) {
    return switch (text(members, "format")) {
      case "iss_sub" -> List.of(user(members));
      case "email" -> emails(members);
      case "opaque" -> {
        List<SessionsOf> all = new ArrayList<>();
        for (String issuer : issuers) {
          all.add(SessionsOf.user(issuer, text(members, "id")));
          all.add(SessionsOf.providerSession(issuer, text(members, "id")));
        }
        yield all;
      }
      case "aliases" -> aliases(members);
      default -> throw Refusal.invalid("the format of the subject is not understood here");
    };
  }

  private Collection<SessionsOf> aliases(Map<String, Object> members) {
    if (!(members.get("identifiers") instanceof List<?> identifiers)
        || identifiers.isEmpty()
        || identifiers.size() > MAX_ALIASES) {
      throw Refusal.invalid("aliases are none, or too many");
    }
    List<SessionsOf> all = new ArrayList<>();
    for (Object identifier : identifiers) {
      Map<String, Object> one = object(identifier);
      if ("aliases".equals(one.get("format"))) {
        throw Refusal.invalid("aliases within aliases"); // RFC 9493 §3.2.8
      }
      all.addAll(simple(one));
    }
    return all;
  }

  private Collection<SessionsOf> complex(Map<String, Object> members, Aspect aspect) {
    Map<String, Object> user = part(members, "user");
    Map<String, Object> session = part(members, "session");
    Map<String, Object> device = part(members, "device");
    if (aspect == Aspect.DEVICE && device != null) {
      return narrowed(user, device, SessionsOf::device, SessionsOf::device);
    }
    if (aspect != Aspect.USER && session != null) {
      return narrowed(user, session, SessionsOf::providerSession, SessionsOf::providerSession);
    }
    if (aspect != Aspect.USER && device != null) {
      return narrowed(user, device, SessionsOf::device, SessionsOf::device);
    }
    if (user != null) {
      return simple(user);
    }
    throw Refusal.invalid("the subject is no user, session or device");
  }

  private interface OfUser {
    SessionsOf of(String issuer, String subject, String id);
  }

  private interface OfAny {
    SessionsOf of(String issuer, String id);
  }

  /** A user's on a device, or in a session; all of the user's where the two cannot be joined. */
  private Collection<SessionsOf> narrowed(
      @Nullable Map<String, Object> user, Map<String, Object> by, OfUser ofUser, OfAny ofAny) {
    String id = text(by, "opaque".equals(by.get("format")) ? "id" : "sub");
    if (user == null) {
      return issuers.stream().map(issuer -> ofAny.of(issuer, id)).toList();
    }
    if ("iss_sub".equals(user.get("format"))) {
      return List.of(ofUser.of(issuer(user), text(user, "sub"), id));
    }
    return simple(user);
  }

  private SessionsOf user(Map<String, Object> members) {
    return SessionsOf.user(issuer(members), text(members, "sub"));
  }

  private List<SessionsOf> emails(Map<String, Object> members) {
    String address = text(members, "email");
    return issuers.stream().map(issuer -> SessionsOf.email(issuer, address)).toList();
  }

  private String issuer(Map<String, Object> members) {
    String issuer = text(members, "iss");
    if (!issuers.contains(issuer)) {
      throw new Refusal("access_denied", "the transmitter may not speak of users of this issuer");
    }
    return issuer;
  }

  private static @Nullable Map<String, Object> part(Map<String, Object> members, String name) {
    return members.containsKey(name) ? object(members.get(name)) : null;
  }

  private static Map<String, Object> object(@Nullable Object value) {
    if (!(value instanceof Map<?, ?> members)) {
      throw Refusal.invalid("a subject is missing, or no object");
    }
    Map<String, Object> all = new HashMap<>();
    members.forEach((name, member) -> all.put(String.valueOf(name), member));
    return all;
  }

  private static String text(Map<String, Object> members, String name) {
    if (members.get(name) instanceof String text && !text.isEmpty() && text.length() <= MAX) {
      return text;
    }
    throw Refusal.invalid(name + " of a subject is no text of 1 to " + MAX + " characters");
  }
}
