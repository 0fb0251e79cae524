package io.apprxy;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.cert.CRL;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertStore;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.CollectionCertStoreParameters;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import javax.naming.InvalidNameException;
import javax.naming.ldap.LdapName;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;

/**
 * The certificates that clients prove themselves by in TLS (RFC 5280), for applications that ask
 * for one: {@link Application#clientCertificate()}. Thread-safe.
 *
 * <p>A certificate counts if it leads to one of the trust anchors, is in its time, may be used by a
 * client, and is on no list of revoked ones; which is looked at in every request, so that one that
 * is revoked ends what is open.
 */
public final class ClientCertificates {
  /** May be used by TLS clients (RFC 5280 §4.2.1.12). */
  private static final String CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

  private static final String ANY_USAGE = "2.5.29.37.0";

  /** How often the file of revoked ones is looked at for changes. */
  private static final Duration LOOK = Duration.ofSeconds(10);

  private final KeyManager[] keys;
  private final Set<TrustAnchor> anchors;
  private final @Nullable Path revocations;
  private final Function<X509Certificate, @Nullable Identity> mapping;
  private final Clock clock;
  private volatile @Nullable Revoked revoked;

  /** What the file held when it was read. */
  private record Revoked(List<CRL> lists, FileTime changed, Instant looked) {}

  private ClientCertificates(Builder settings) {
    this.keys = settings.keys.clone();
    this.anchors =
        settings.anchors.stream()
            .map(anchor -> new TrustAnchor(anchor, null))
            .collect(Collectors.toUnmodifiableSet());
    this.revocations = settings.revocations;
    this.mapping = settings.mapping;
    this.clock = settings.clock;
    if (revocations != null) {
      read(revocations, null);
    }
  }

  /** A builder with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Who the client is.
   *
   * @param chain as the client sent it, its own certificate first
   * @throws GatewayException {@link ErrorCode#CLIENT_CERTIFICATE_REFUSED} if it does not count, or
   *     is nobody's
   */
  Identity identify(List<X509Certificate> chain) {
    Identity identity = mapping.apply(chain.get(0));
    if (identity == null) {
      throw refused("it is nobody's", null);
    }
    return identity;
  }

  /**
   * Refuses a certificate that does not count now.
   *
   * @param chain as the client sent it, its own certificate first
   * @throws GatewayException {@link ErrorCode#CLIENT_CERTIFICATE_REFUSED} if it does not
   */
  void verify(List<X509Certificate> chain) {
    try {
      X509Certificate own = chain.get(0);
      own.checkValidity(Date.from(clock.instant()));
      List<String> usages = own.getExtendedKeyUsage();
      if (usages != null && !usages.contains(CLIENT_AUTH) && !usages.contains(ANY_USAGE)) {
        throw refused("it is not for clients", null);
      }
      CertPath path =
          CertificateFactory.getInstance("X.509").generateCertPath(withoutAnchors(chain));
      PKIXParameters parameters = new PKIXParameters(anchors);
      parameters.setDate(Date.from(clock.instant()));
      Revoked lists = revoked();
      parameters.setRevocationEnabled(lists != null);
      if (lists != null) {
        parameters.addCertStore(
            CertStore.getInstance("Collection", new CollectionCertStoreParameters(lists.lists())));
      }
      CertPathValidator.getInstance("PKIX").validate(path, parameters);
    } catch (CertPathValidatorException e) {
      throw refused("it leads to no trust anchor, or was revoked: " + e.getReason(), e);
    } catch (GeneralSecurityException e) {
      throw refused("it cannot be verified", e);
    }
  }

  private List<X509Certificate> withoutAnchors(List<X509Certificate> chain) {
    List<X509Certificate> path = new ArrayList<>();
    for (X509Certificate one : chain) {
      if (!path.isEmpty() && anchors.stream().anyMatch(a -> one.equals(a.getTrustedCert()))) {
        break;
      }
      path.add(one);
    }
    return path;
  }

  private static GatewayException refused(String reason, @Nullable Throwable cause) {
    return new GatewayException(
        ErrorCode.CLIENT_CERTIFICATE_REFUSED, "the client's certificate: " + reason, cause);
  }

  /** The file may be replaced while the gateway runs; one that cannot be read changes nothing. */
  private @Nullable Revoked revoked() {
    Path file = revocations;
    Revoked known = revoked;
    if (file == null || (known != null && clock.instant().isBefore(known.looked().plus(LOOK)))) {
      return known;
    }
    return read(file, known);
  }

  private synchronized Revoked read(Path file, @Nullable Revoked known) {
    Revoked now = revoked;
    if (now != null && !now.equals(known)) {
      return now; // another thread has just looked
    }
    try {
      FileTime changed = Files.getLastModifiedTime(file);
      List<CRL> lists;
      if (now != null && changed.equals(now.changed())) {
        lists = now.lists();
      } else {
        try (InputStream in = Files.newInputStream(file)) {
          lists = List.copyOf(CertificateFactory.getInstance("X.509").generateCRLs(in));
        }
      }
      Revoked read = new Revoked(lists, changed, clock.instant());
      revoked = read;
      return read;
    } catch (IOException | GeneralSecurityException e) {
      if (now == null) {
        throw new IllegalArgumentException("revocations cannot be read: " + file, e);
      }
      return now;
    }
  }

  /** Serves the hosts that ask for a certificate; what it is worth is decided by request. */
  SSLContext tls() {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      X509Certificate[] accepted =
          anchors.stream().map(TrustAnchor::getTrustedCert).toArray(X509Certificate[]::new);
      context.init(keys, new TrustManager[] {new Anybody(accepted)}, null);
      return context;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM has no TLS", e);
    }
  }

  /**
   * TLS proves that the client has the key; a certificate that does not count gets an answer that
   * says so, instead of a connection that breaks off.
   */
  private static final class Anybody implements X509TrustManager {
    private final X509Certificate[] accepted;

    Anybody(X509Certificate[] accepted) {
      this.accepted = accepted;
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type)
        throws CertificateException {
      throw new CertificateException("no client here");
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return accepted.clone();
    }
  }

  /** The identity that a certificate names, see {@link Builder#identity}. */
  private static Identity bySubject(X509Certificate certificate) {
    Map<String, Object> claims = new TreeMap<>();
    String name = certificate.getSubjectX500Principal().getName();
    claims.put("certificate_subject", name);
    String common = commonName(name);
    if (common != null) {
      claims.put("preferred_username", common);
    }
    List<String> emails = alternativeNames(certificate, 1);
    if (!emails.isEmpty()) {
      claims.put("email", emails.get(0));
      claims.put("email_verified", true); // by whoever certified it
    }
    claims.put("amr", List.of("swk")); // RFC 8176: a key, of which nobody knows where it is
    return new Identity(
        certificate.getIssuerX500Principal().getName(),
        name,
        "certificate-" + fingerprint(certificate),
        certificate.getNotBefore().toInstant(),
        claims);
  }

  private static @Nullable String commonName(String subject) {
    try {
      return new LdapName(subject)
          .getRdns().stream()
              .filter(rdn -> rdn.getType().equalsIgnoreCase("CN"))
              .map(rdn -> String.valueOf(rdn.getValue()))
              .reduce((less, more) -> more)
              .orElse(null);
    } catch (InvalidNameException e) {
      return null;
    }
  }

  /** Of one kind (RFC 5280 §4.2.1.6): 1 is an address of mail. */
  private static List<String> alternativeNames(X509Certificate certificate, int kind) {
    try {
      Collection<List<?>> names = certificate.getSubjectAlternativeNames();
      return names == null
          ? List.of()
          : names.stream()
              .filter(name -> Integer.valueOf(kind).equals(name.get(0)))
              .map(name -> String.valueOf(name.get(1)))
              .toList();
    } catch (CertificateException e) {
      return List.of();
    }
  }

  private static String fingerprint(X509Certificate certificate) {
    try {
      return HexFormat.of()
          .formatHex(MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded()));
    } catch (GeneralSecurityException e) {
      throw refused("it cannot be read", e);
    }
  }

  /** Builds {@link ClientCertificates}. Not thread-safe. */
  public static final class Builder {
    private KeyManager[] keys = {};
    private final Set<X509Certificate> anchors = new LinkedHashSet<>();
    private @Nullable Path revocations;
    private Function<X509Certificate, @Nullable Identity> mapping = ClientCertificates::bySubject;
    private Clock clock = Clock.systemUTC();

    private Builder() {}

    /**
     * The gateway's own certificates on the hosts of those applications; other hosts have those of
     * {@link Gateway.Builder#tls}. No default: {@link Gateway#start()} needs them.
     */
    public Builder keys(KeyManager... managers) {
      keys = managers.clone();
      return this;
    }

    /** Whom to trust as issuers of clients' certificates. No default: at least one. */
    public Builder trust(X509Certificate... issuers) {
      anchors.addAll(List.of(issuers));
      return this;
    }

    /**
     * The lists of revoked certificates (RFC 5280 §5), PEM or DER, one of each issuer: without one
     * that is in its time, no certificate of that issuer counts. Read again within 10 seconds when
     * the file changes. Default: nothing is known of revocations.
     *
     * @throws IllegalArgumentException at {@link #build} if it cannot be read
     */
    public Builder revocations(Path file) {
      revocations = Objects.requireNonNull(file, "file");
      return this;
    }

    /**
     * Who a verified certificate is, or null if it is nobody's; for applications that take the
     * certificate alone. Called by many requests at once, on I/O threads: thread-safe, and never
     * blocking. It is asked again while a request is open, and one that is nobody's by then is
     * broken off: so an account that is disabled is shut out here, since ending the sessions of its
     * user does not reach who proves themselves anew with each connection. Default: issuer and
     * subject are those of the certificate; {@code preferred_username} is its common name, {@code
     * email} its alternative name of that kind.
     */
    public Builder identity(Function<X509Certificate, @Nullable Identity> map) {
      mapping = Objects.requireNonNull(map, "map");
      return this;
    }

    /** The time. Default: the system's. */
    public Builder clock(Clock time) {
      clock = Objects.requireNonNull(time, "time");
      return this;
    }

    /**
     * The certificates that count.
     *
     * @throws IllegalStateException if there is no trust anchor
     * @throws IllegalArgumentException if the revocations cannot be read
     */
    public ClientCertificates build() {
      if (anchors.isEmpty()) {
        throw new IllegalStateException("trust is missing: it is required");
      }
      return new ClientCertificates(this);
    }
  }
}
