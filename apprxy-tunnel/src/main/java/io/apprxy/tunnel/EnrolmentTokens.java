package io.apprxy.tunnel;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The secrets that connectors prove themselves with; only their hashes are kept. Not thread-safe
 * while it is filled.
 */
final class EnrolmentTokens {
  static final int MIN_LENGTH = 32;

  private static final String BEARER = "Bearer ";

  private final Map<String, byte[]> hashByGroup = new LinkedHashMap<>();

  void add(String group, String token) {
    Objects.requireNonNull(group, "group");
    checkLength(token);
    if (hashByGroup.putIfAbsent(group, hash(token)) != null) {
      throw new IllegalStateException("group " + group + " has an enrolment token already");
    }
  }

  static void checkLength(String token) {
    if (token.length() < MIN_LENGTH || !token.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
      throw new IllegalArgumentException(
          "an enrolment token must have at least "
              + MIN_LENGTH
              + " visible ASCII characters; it has "
              + token.length());
    }
  }

  Set<String> groups() {
    return hashByGroup.keySet();
  }

  /**
   * The group whose token the Authorization header bears, or null. Every comparison is made, in
   * constant time.
   */
  @Nullable String group(@Nullable String authorization) {
    if (authorization == null || !authorization.startsWith(BEARER)) {
      return null;
    }
    byte[] given = hash(authorization.substring(BEARER.length()));
    String found = null;
    for (Map.Entry<String, byte[]> known : hashByGroup.entrySet()) {
      if (MessageDigest.isEqual(known.getValue(), given)) {
        found = known.getKey();
      }
    }
    return found;
  }

  private static byte[] hash(String token) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
