package io.apprxy.auth.sso;

import io.apprxy.Application.TokenForm;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * Finds out, step by step, why users are not signed on by Kerberos, or that they would be, and
 * names the fix. It does what {@link KerberosSignOn} does, with the same keytab, for one user and
 * one application, on the machine where that runs. Not thread-safe; blocks.
 */
public final class KerberosDoctor {
  private static final String CHALLENGE = "WWW-Authenticate";
  private static final Duration TIMEOUT = Duration.ofSeconds(15);

  /** Beside the owner, who should be alone. */
  private static final Set<PosixFilePermission> OTHERS =
      Set.of(
          PosixFilePermission.GROUP_READ,
          PosixFilePermission.OTHERS_READ,
          PosixFilePermission.GROUP_WRITE,
          PosixFilePermission.OTHERS_WRITE);

  private final String principal;
  private final Path keytab;
  private final String user;
  private final String service;
  private final @Nullable URI origin;
  private final @Nullable SSLContext tls;
  private final List<Finding> findings = new ArrayList<>();

  private KerberosDoctor(Builder settings) {
    this.principal = settings.principal;
    this.keytab = settings.keytab;
    this.user = settings.user;
    this.service = settings.service;
    this.origin = settings.origin;
    this.tls = settings.tls;
  }

  /** What is looked at, in this order. */
  public enum Check {
    /** What the JVM knows of realms. */
    CONFIGURATION,
    /** Whether the file has keys of the account. */
    KEYTAB,
    /** Whether the domain answers, the clocks agree, and the key is the present one. */
    LOGIN,
    /** Whether the account may act for the user (S4U2Self). */
    USER,
    /** Whether it may do so at the application (S4U2Proxy). */
    SERVICE,
    /** Whether the application takes the ticket. */
    ORIGIN
  }

  /**
   * What was found.
   *
   * @param code the error that users would see; null if all is well
   * @param text what was seen
   * @param remedy what to do; null if nothing is to be done
   */
  public record Finding(
      Check check, @Nullable ErrorCode code, String text, @Nullable String remedy) {
    /** Whether this is as it should be. */
    public boolean isWell() {
      return code == null;
    }
  }

  /**
   * Examines sign-on.
   *
   * @param principal as in {@link KerberosSignOn#builder}
   * @param keytab as there
   * @param user whose ticket to get, such as {@code alice@CORP.EXAMPLE}
   * @param service the service principal name of the application
   */
  public static Builder builder(String principal, Path keytab, String user, String service) {
    return new Builder(principal, keytab, user, service);
  }

  /**
   * Looks at one after the other, and stops at the first that is not well, since the rest depends
   * on it. Asks the domain and the application.
   */
  public List<Finding> examine() {
    findings.clear();
    configuration();
    KerberosSignOn signOn;
    try {
      signOn = KerberosSignOn.builder(principal, keytab).timeout(TIMEOUT).build();
    } catch (IllegalArgumentException e) {
      ill(Check.KEYTAB, ErrorCode.KERBEROS_KEYTAB, String.valueOf(e.getMessage()));
      return List.copyOf(findings);
    }
    try (signOn) {
      keytab();
      examine(signOn);
    }
    return List.copyOf(findings);
  }

  private void examine(KerberosSignOn signOn) {
    Identity identity = new Identity("apprxy", user, "doctor", Instant.EPOCH, Map.of());
    Check check = Check.LOGIN;
    try {
      Instant until =
          signOn.account().login().orTimeout(TIMEOUT.toSeconds(), TimeUnit.SECONDS).join().until();
      well(Check.LOGIN, principal + " has logged in; its ticket is used until " + until);
      check = Check.USER;
      CompletableFuture<DelegatedUser> delegated = signOn.impersonate(user, identity);
      try {
        delegated.orTimeout(TIMEOUT.toSeconds(), TimeUnit.SECONDS).join();
        well(Check.USER, principal + " may act for " + user);
        check = Check.SERVICE;
      } catch (CompletionException e) {
        // the reason is found out with the ticket
      }
      Negotiation negotiation = signOn.negotiate(delegated, service, TokenForm.SPNEGO).join();
      well(Check.SERVICE, "there is a ticket of " + user + " for " + service);
      if (origin != null) {
        origin(negotiation, origin);
      }
    } catch (CompletionException e) {
      failed(check, e);
    }
  }

  // ---- checks

  private void configuration() {
    String named = System.getProperty("java.security.krb5.conf");
    Path file = Path.of(named == null ? "/etc/krb5.conf" : named);
    String by = named == null ? "" : ", which java.security.krb5.conf names";
    if (Files.isReadable(file)) {
      well(Check.CONFIGURATION, "the JVM reads " + file + by);
    } else {
      // It could be the JDK's own, or DNS: no reason to end here.
      findings.add(
          new Finding(
              Check.CONFIGURATION,
              null,
              file + by + ", is not there",
              "Name one by -Djava.security.krb5.conf=…, with the realm, its kdc lines, and forwardable = true."));
    }
  }

  private void keytab() {
    boolean open = false;
    try {
      Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(keytab);
      open = permissions.stream().anyMatch(OTHERS::contains);
    } catch (IOException | UnsupportedOperationException e) {
      // a file system without them
    }
    findings.add(
        new Finding(
            Check.KEYTAB,
            null,
            keytab + " has keys of " + principal + (open ? ", and others may read it" : ""),
            open
                ? "Make it the owner's alone: chmod 600. Whoever reads it can act for everybody."
                : null));
  }

  /** First as a stranger, then as the user. */
  private void origin(Negotiation negotiation, URI at) {
    try {
      HttpClient client = client();
      HttpResponse<Void> stranger = get(client, at, null);
      boolean asks =
          stranger.statusCode() == 401
              && !Negotiation.offers(stranger.headers().allValues(CHALLENGE)).isEmpty();
      HttpResponse<Void> answer = get(client, at, negotiation.credentials());
      if (answer.statusCode() == 401) {
        ill(Check.ORIGIN, ErrorCode.ORIGIN_REFUSED_SIGN_ON, at + " answers 401 to the ticket");
        return;
      }
      String proof =
          Negotiation.offers(answer.headers().allValues(CHALLENGE)).stream()
              .filter(token -> !token.isEmpty())
              .findFirst()
              .orElse(null);
      if (proof != null) {
        negotiation.verify(proof);
      }
      findings.add(
          new Finding(
              Check.ORIGIN,
              null,
              at
                  + " answers "
                  + answer.statusCode()
                  + " to the ticket"
                  + (proof == null ? "" : ", and has proved itself")
                  + (asks
                      ? ""
                      : "; it asked a stranger for none, and answered " + stranger.statusCode()),
              asks
                  ? null
                  : "See that the application demands Negotiate, or this page needs none."));
    } catch (GatewayException e) {
      ill(Check.ORIGIN, e.code(), String.valueOf(e.getMessage()));
    } catch (IOException e) {
      ill(Check.ORIGIN, ErrorCode.ORIGIN_UNREACHABLE, at + " cannot be reached: " + e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      ill(Check.ORIGIN, ErrorCode.ORIGIN_TIMEOUT, "interrupted");
    }
  }

  private HttpClient client() {
    HttpClient.Builder client =
        HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(TIMEOUT);
    return (tls == null ? client : client.sslContext(tls)).build();
  }

  private static HttpResponse<Void> get(HttpClient client, URI at, @Nullable String credentials)
      throws IOException, InterruptedException {
    HttpRequest.Builder request = HttpRequest.newBuilder(at).timeout(TIMEOUT);
    if (credentials != null) {
      request.header("Authorization", credentials);
    }
    return client.send(request.build(), BodyHandlers.discarding());
  }

  private void well(Check check, String text) {
    findings.add(new Finding(check, null, text, null));
  }

  private void ill(Check check, ErrorCode code, String text) {
    findings.add(new Finding(check, code, text, code.remedy()));
  }

  private void failed(Check check, Throwable e) {
    Throwable cause = KerberosSignOn.cause(e);
    ErrorCode code =
        cause instanceof GatewayException known ? known.code() : ErrorCode.KDC_UNREACHABLE;
    ill(check, code, String.valueOf(cause.getMessage()));
  }

  /** Settings. Not thread-safe. */
  public static final class Builder {
    private final String principal;
    private final Path keytab;
    private final String user;
    private final String service;
    private @Nullable URI origin;
    private @Nullable SSLContext tls;

    private Builder(String principal, Path keytab, String user, String service) {
      this.principal = Objects.requireNonNull(principal, "principal");
      this.keytab = Objects.requireNonNull(keytab, "keytab");
      this.user = Objects.requireNonNull(user, "user");
      this.service = Objects.requireNonNull(service, "service");
      if (user.indexOf('@') < 1) {
        throw new IllegalArgumentException("user must be name@REALM: " + user);
      }
    }

    /** A page of the application, which is asked for with the ticket. Default: none is. */
    public Builder origin(URI page) {
      origin = Objects.requireNonNull(page, "page");
      return this;
    }

    /** Verifies the certificate of the origin. Default: the JVM's trust. */
    public Builder originTls(SSLContext context) {
      tls = Objects.requireNonNull(context, "context");
      return this;
    }

    /** The doctor. */
    public KerberosDoctor build() {
      return new KerberosDoctor(this);
    }
  }
}
