package io.apprxy.tunnel;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.tunnel.AuthorityStore.Kind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/**
 * Says who is a connector, and of which group: it certifies keys for one-time tokens, renews what
 * it certified, and takes it back. Several may share a store, one in each gateway; then what one
 * does the others see when they {@link #refresh}. What reads or writes the store may block.
 * Thread-safe.
 */
final class Authority {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.tunnel");
  private static final JsonMapper JSON = new JsonMapper();
  private static final SecureRandom RANDOM = new SecureRandom();

  /** Shows what it is, to people and to scanners that look for secrets. */
  private static final String TOKEN_PREFIX = "apxe-";

  private static final int MAX_TOKENS = 1_000;

  /** How long a new key waits, so that all who share the store know it before it signs. */
  static final Duration HANDOVER = Duration.ofSeconds(5);

  /** How long what is no longer needed is kept nevertheless, for others that may be behind. */
  private static final Duration LINGER = Duration.ofHours(1);

  private final AuthorityStore store;
  private final Set<String> groups;
  private final Duration lifetime;
  private final Clock clock;

  /** The newest is the last. */
  private volatile NavigableMap<String, AuthorityKey> keys = new TreeMap<>();

  private volatile Set<String> revoked = Set.of();

  /** What a connector gets: its certificate, and that of the key which signed it. */
  record Certified(String id, String group, X509Certificate certificate, X509Certificate issuer) {}

  /** What is kept of a token. */
  private record Token(String group, Instant expires) {}

  /** What is kept of a certificate, until it has expired. */
  private record Issued(String connector, String key, Instant expires) {}

  private record Revocation(Instant since) {}

  /**
   * Takes what is in the store, and makes a first key if there is none.
   *
   * @param lifetime of certificates
   * @throws UncheckedIOException if the store cannot be used
   */
  Authority(AuthorityStore store, Set<String> groups, Duration lifetime, Clock clock) {
    this.store = store;
    this.groups = Set.copyOf(groups);
    this.lifetime = lifetime;
    this.clock = clock;
    if (store.names(Kind.KEY).isEmpty()) {
      addKey();
    }
    refresh();
  }

  // ---- for operators

  /**
   * A token that admits one connector to the group, once.
   *
   * @throws IllegalArgumentException if there is no such group
   * @throws IllegalStateException if there are 1,000 tokens already that were not used
   */
  String createToken(String group, Duration validity) {
    if (!groups.contains(group)) {
      throw new IllegalArgumentException("there is no connector group " + group + ": " + groups);
    }
    Set<String> unused = store.names(Kind.TOKEN);
    if (unused.size() >= MAX_TOKENS && forgetOldTokens(unused) >= MAX_TOKENS) {
      throw new IllegalStateException(
          "there are " + MAX_TOKENS + " unused enrolment tokens: let some expire, or use them");
    }
    byte[] secret = new byte[32];
    RANDOM.nextBytes(secret);
    String token = TOKEN_PREFIX + Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
    store.add(
        Kind.TOKEN,
        name(token),
        JSON.writeValueAsString(new Token(group, clock.instant().plus(validity))));
    return token;
  }

  /**
   * Takes back all certificates of a connector.
   *
   * @return whether it had one that has not expired
   */
  boolean revoke(String connector) {
    // The revocation comes first, then the look at what was issued; renewals do it the other way
    // round: of two at once, one sees the other.
    store.add(Kind.REVOCATION, connector, JSON.writeValueAsString(new Revocation(clock.instant())));
    refresh();
    return hasCertificate(connector);
  }

  /** Certifies with a new key from now on; what older ones have signed stays valid. */
  void rotateKey() {
    refresh();
    addKey();
    refresh();
  }

  // ---- for connectors

  /**
   * Admits a connector.
   *
   * @throws GatewayException if the token or the request is not accepted; the token can be used
   *     again, then, unless somebody else has used it
   */
  Certified enrol(String token, String request) {
    String name = name(token);
    Token known = read(Kind.TOKEN, name, Token.class);
    if (known == null || !known.expires().isAfter(clock.instant())) {
      throw tokenRefused("a peer has an enrolment token that is unknown, used or too old");
    }
    if (!groups.contains(known.group())) {
      throw groupUnknown(known.group());
    }
    CertificateRequest asked = CertificateRequest.parse(request);
    String connector = UUID.randomUUID().toString();
    AuthorityKey key = signingKey();
    Instant now = clock.instant();
    reserve(asked, connector, key, now);
    if (!store.remove(Kind.TOKEN, name)) {
      store.remove(Kind.CERTIFICATE, asked.hash());
      throw tokenRefused("an enrolment token was used twice at once");
    }
    return certify(asked, known.group(), connector, key, now);
  }

  /**
   * Certifies another key of a connector.
   *
   * @param present a certificate that was found to be {@linkplain #read valid}
   * @throws GatewayException if the request is not accepted, or the connector was revoked
   */
  Certified renew(ConnectorCertificate present, String request) {
    CertificateRequest asked = CertificateRequest.parse(request);
    AuthorityKey key = signingKey();
    Instant now = clock.instant();
    reserve(asked, present.id(), key, now);
    if (store.get(Kind.REVOCATION, present.id()) != null) {
      throw revoked(present);
    }
    return certify(asked, present.group(), present.id(), key, now);
  }

  /** A key is certified once, whoever asks: who only repeats what another said gets nothing. */
  private void reserve(CertificateRequest asked, String connector, AuthorityKey key, Instant now) {
    Issued issued = new Issued(connector, key.id(), now.plus(lifetime));
    if (!store.add(Kind.CERTIFICATE, asked.hash(), JSON.writeValueAsString(issued))) {
      throw new GatewayException(ErrorCode.KEY_USED, "a peer asked for a second certificate");
    }
  }

  private Certified certify(
      CertificateRequest asked, String group, String connector, AuthorityKey key, Instant now) {
    try {
      return new Certified(
          connector,
          group,
          key.certify(asked.key(), group, connector, now, lifetime),
          key.certificate());
    } catch (GeneralSecurityException | IOException e) {
      throw new GatewayException(ErrorCode.INTERNAL, "a connector could not be certified", e);
    }
  }

  // ---- what a certificate is worth

  /**
   * Whether one of the keys signed it; whether it has expired, or was revoked, is not looked at.
   */
  boolean issued(X509Certificate certificate) {
    return keys.values().stream()
        .anyMatch(
            key ->
                key.certificate()
                        .getSubjectX500Principal()
                        .equals(certificate.getIssuerX500Principal())
                    && key.signed(certificate));
  }

  /**
   * Whose certificate it is. It has all to be right with it: signature, time, group, and that it
   * was not revoked.
   *
   * @throws GatewayException if something is wrong
   */
  ConnectorCertificate read(X509Certificate certificate) {
    if (!issued(certificate)) {
      throw new GatewayException(
          ErrorCode.CERTIFICATE_REQUIRED, "a peer has a certificate of another authority");
    }
    ConnectorCertificate read;
    try {
      read = ConnectorCertificate.of(certificate);
    } catch (IllegalArgumentException e) {
      throw new GatewayException(ErrorCode.CERTIFICATE_REQUIRED, "a peer is no connector", e);
    }
    check(read);
    return read;
  }

  /**
   * Looks whether a certificate that was valid is so still. Does not block.
   *
   * @throws GatewayException if it is not
   */
  void check(ConnectorCertificate certificate) {
    Instant now = clock.instant();
    if (revoked.contains(certificate.id())) {
      throw revoked(certificate);
    }
    if (!certificate.notAfter().isAfter(now)) {
      throw new GatewayException(
          ErrorCode.CERTIFICATE_EXPIRED,
          "the certificate of connector %s expired at %s"
              .formatted(certificate.id(), certificate.notAfter()));
    }
    if (certificate.notBefore().isAfter(now.plus(HANDOVER))) {
      throw new GatewayException(
          ErrorCode.CERTIFICATE_EXPIRED,
          "the certificate of connector %s is valid from %s only: was the clock set back?"
              .formatted(certificate.id(), certificate.notBefore()));
    }
    if (!groups.contains(certificate.group())) {
      throw groupUnknown(certificate.group());
    }
  }

  /** The certificates of all keys that may have signed what is still valid. */
  List<X509Certificate> issuers() {
    return keys.values().stream().map(AuthorityKey::certificate).toList();
  }

  // ---- the store

  /**
   * Takes up what others have written. One at a time: what was read first must not replace what was
   * read later, or somebody who was revoked would be let in once more.
   *
   * @return whether something is new
   */
  synchronized boolean refresh() {
    NavigableMap<String, AuthorityKey> known = keys;
    Set<String> names = store.names(Kind.KEY);
    boolean changed = false;
    if (!names.equals(known.keySet())) {
      NavigableMap<String, AuthorityKey> found = new TreeMap<>();
      for (String name : names) {
        AuthorityKey key = known.containsKey(name) ? known.get(name) : key(name);
        if (key != null) {
          found.put(name, key);
        }
      }
      keys = found;
      changed = true;
    }
    Set<String> refused = store.names(Kind.REVOCATION);
    if (!refused.equals(revoked)) {
      revoked = refused;
      changed = true;
    }
    return changed;
  }

  /**
   * Forgets what has no effect any more: tokens and certificates that have expired, revocations of
   * connectors and keys of the authority that no certificate is left of. By the clock of another
   * gateway a certificate may be valid for a while longer.
   */
  void forgetOld() {
    forgetOldTokens(store.names(Kind.TOKEN));
    Instant longAgo = clock.instant().minus(LINGER);
    Set<String> connectors = new HashSet<>();
    Set<String> signers = new HashSet<>();
    for (String name : store.names(Kind.CERTIFICATE)) {
      Issued issued = read(Kind.CERTIFICATE, name, Issued.class);
      if (issued != null && issued.expires().isAfter(longAgo)) {
        connectors.add(issued.connector());
        signers.add(issued.key());
      } else if (issued != null) {
        store.remove(Kind.CERTIFICATE, name);
      }
    }
    for (String connector : store.names(Kind.REVOCATION)) {
      Revocation revocation = read(Kind.REVOCATION, connector, Revocation.class);
      if (revocation != null
          && revocation.since().isBefore(longAgo)
          && !connectors.contains(connector)) {
        store.remove(Kind.REVOCATION, connector);
      }
    }
    AuthorityKey signing = signingKey();
    if (signing.created().isBefore(longAgo)) {
      for (String old : keys.headMap(signing.id(), false).keySet()) {
        if (!signers.contains(old)) {
          store.remove(Kind.KEY, old);
        }
      }
    }
    refresh();
  }

  /** Answers how many are left. */
  private int forgetOldTokens(Set<String> unused) {
    int left = 0;
    for (String name : unused) {
      Token token = read(Kind.TOKEN, name, Token.class);
      if (token != null && !token.expires().isAfter(clock.instant())) {
        store.remove(Kind.TOKEN, name);
      } else if (token != null) {
        left++;
      }
    }
    return left;
  }

  private boolean hasCertificate(String connector) {
    Instant now = clock.instant();
    for (String name : store.names(Kind.CERTIFICATE)) {
      Issued issued = read(Kind.CERTIFICATE, name, Issued.class);
      if (issued != null && issued.connector().equals(connector) && issued.expires().isAfter(now)) {
        return true;
      }
    }
    return false;
  }

  /** What is kept, or null if nothing is. */
  private <T> @Nullable T read(Kind kind, String name, Class<T> type) {
    String text = store.get(kind, name);
    try {
      return text == null ? null : JSON.readValue(text, type);
    } catch (JacksonException e) {
      throw new IllegalStateException("the authority's state is damaged: " + kind + " " + name, e);
    }
  }

  // ---- keys

  private void addKey() {
    Instant now = clock.instant();
    NavigableMap<String, AuthorityKey> known = keys;
    if (!known.isEmpty() && !known.lastEntry().getValue().created().isBefore(now)) {
      now = known.lastEntry().getValue().created().plusMillis(1); // the clock was set back
    }
    AuthorityKey key = AuthorityKey.create(now);
    store.add(Kind.KEY, key.id(), key.toPem());
    LOG.info("the connector authority has a new key, {}", key.id());
  }

  private @Nullable AuthorityKey key(String id) {
    String pem = store.get(Kind.KEY, id);
    try {
      return pem == null ? null : AuthorityKey.fromPem(id, pem);
    } catch (IOException | RuntimeException e) {
      throw new IllegalStateException("the authority's state is damaged: its key " + id, e);
    }
  }

  /** The newest of those that all know by now. */
  private AuthorityKey signingKey() {
    NavigableMap<String, AuthorityKey> known = keys;
    Instant now = clock.instant();
    for (AuthorityKey key : known.descendingMap().values()) {
      if (!key.created().plus(HANDOVER).isAfter(now)) {
        return key;
      }
    }
    if (known.isEmpty()) {
      throw new IllegalStateException("the authority's keys were deleted while it ran");
    }
    return known.firstEntry().getValue();
  }

  // ---- names and refusals

  private static String name(String token) {
    return HexFormat.of().formatHex(sha256(token.getBytes(StandardCharsets.UTF_8)));
  }

  static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  /** The same, whatever is wrong with it: who guesses learns nothing. */
  private static GatewayException tokenRefused(String why) {
    return new GatewayException(ErrorCode.ENROLMENT_TOKEN_REFUSED, why);
  }

  private static GatewayException revoked(ConnectorCertificate certificate) {
    return new GatewayException(
        ErrorCode.CONNECTOR_REVOKED, "connector " + certificate.id() + " was revoked");
  }

  private static GatewayException groupUnknown(String group) {
    return new GatewayException(
        ErrorCode.GROUP_UNKNOWN, "this gateway has no connector group " + group);
  }
}
