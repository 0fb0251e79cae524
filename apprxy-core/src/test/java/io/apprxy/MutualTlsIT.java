package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application.ClientCertificate;
import io.apprxy.TestAuthority.Owned;
import io.apprxy.TestAuthority.Validity;
import io.undertow.Undertow;
import io.undertow.io.IoCallback;
import io.undertow.io.Sender;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.SameThreadExecutor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedKeyManager;
import javax.net.ssl.X509TrustManager;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Certificates of users: who is asked, what counts, and by which connection. */
@Timeout(60)
class MutualTlsIT {
  private static final TestAuthority SERVERS = new TestAuthority("servers");
  private static final TestAuthority USERS = new TestAuthority("users");
  private static final TestAuthority STRANGERS = new TestAuthority("users"); // of the same name
  private static final Owned ALICE = USERS.client("alice");
  private static final Owned BOB = USERS.client("bob");

  private static final AtomicInteger ORIGIN_REQUESTS = new AtomicInteger();
  private static final JumpingClock CLOCK = new JumpingClock();
  private static Path revocations;
  private static Undertow origin;
  private static Gateway gateway;

  /** The system's time, and whatever is added. */
  private static final class JumpingClock extends Clock {
    private volatile Duration ahead = Duration.ZERO;

    @Override
    public Instant instant() {
      return Instant.now().plus(ahead);
    }

    @Override
    public ZoneId getZone() {
      return ZoneOffset.UTC;
    }

    @Override
    public Clock withZone(ZoneId zone) {
      throw new UnsupportedOperationException();
    }
  }

  @BeforeAll
  static void start() throws Exception {
    revocations = Files.createTempFile("revoked", ".pem");
    USERS.revoke(revocations, BOB.certificate());
    origin =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setHandler(
                exchange -> {
                  ORIGIN_REQUESTS.incrementAndGet();
                  String user = "user " + exchange.getRequestHeaders().getFirst("X-User");
                  if (exchange.getRequestPath().equals("/stream")) {
                    exchange.getResponseHeaders().put(Headers.TRANSFER_ENCODING, "chunked");
                    exchange.dispatch( // or it would end when this handler returns
                        SameThreadExecutor.INSTANCE,
                        () -> exchange.getResponseSender().send(user, new NeverEnds()));
                  } else {
                    exchange.getResponseSender().send(user);
                  }
                })
            .build();
    origin.start();
    gateway =
        Gateway.builder()
            .host("127.0.0.1")
            .port(0)
            .tls(serving(SERVERS.server("open.test", "cert.test", "both.test", "maybe.test")))
            .clientCertificates(
                ClientCertificates.builder()
                    .keys(SERVERS.server("cert.test", "both.test", "maybe.test").managers())
                    .trust(USERS.certificate)
                    .revocations(revocations)
                    .clock(CLOCK)
                    .build())
            .preAuthentication(MutualTlsIT::signIn)
            .accessPolicy(new AllWithAPage())
            .signOn(
                (request, identity, application) -> {
                  request.set("X-User", identity.name());
                  return Verdict.proceed();
                })
            .publish(application("open", ClientCertificate.NONE))
            .publish(application("maybe", ClientCertificate.OPTIONAL))
            .publish(application("both", ClientCertificate.REQUIRED))
            .publish(application("cert", ClientCertificate.IDENTITY))
            .build()
            .start();
  }

  @AfterAll
  static void stop() throws Exception {
    gateway.close();
    origin.stop();
    Files.delete(revocations);
  }

  private static Application application(String id, ClientCertificate asked) {
    return Application.builder(id)
        .externalUrl("https://" + id + ".test/")
        .internalUrl(
            "http://127.0.0.1:"
                + ((InetSocketAddress) origin.getListenerInfo().get(0).getAddress()).getPort()
                + "/")
        .assignEveryone()
        .headerSignOn(Map.of("X-User", "preferred_username"))
        .clientCertificate(asked)
        .passthroughPath("/health", "GET")
        .cors(CorsConfiguration.forOrigins("https://friend.test").credentials().build())
        .build();
  }

  /** Whose page it is, as where terms of use are accepted. */
  private static final class AllWithAPage implements AccessPolicy {
    @Override
    public Verdict authorize(Exchange exchange) {
      return Verdict.proceed();
    }

    @Override
    public Verdict page(Exchange exchange) {
      return Verdict.answer(
          Response.of(200, "text/plain", "page of " + exchange.identity().name()));
    }
  }

  /** Somebody whose request has the header {@code Session}. */
  private static Verdict signIn(Exchange exchange) {
    String user = exchange.header("Session");
    if (exchange.identity() != null) {
      return Verdict.proceed();
    }
    if (user == null) {
      throw new GatewayException(ErrorCode.SIGN_IN_REQUIRED, "nobody");
    }
    exchange.identify(
        new Identity(
            "https://issuer.test", user, "s", Instant.EPOCH, Map.of("preferred_username", user)));
    return Verdict.proceed();
  }

  private static SSLContext serving(Owned certificate) throws Exception {
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(certificate.managers(), null, null);
    return context;
  }

  private static final class NeverEnds implements IoCallback {
    @Override
    public void onComplete(HttpServerExchange exchange, Sender sender) {}

    @Override
    public void onException(HttpServerExchange exchange, Sender sender, IOException exception) {
      exchange.endExchange();
    }
  }

  // ---- a client

  /** An open request, whose answer has begun. */
  private static SSLSocket stream(int port, String host, Owned certificate, String headers)
      throws Exception {
    Socket plain = new Socket(InetAddress.getLoopbackAddress(), port);
    SSLSocket socket =
        (SSLSocket)
            context(certificate, new AtomicBoolean())
                .getSocketFactory()
                .createSocket(plain, "x", 1, true);
    socket.setSoTimeout(20_000);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setServerNames(List.of(new SNIHostName(host)));
    socket.setSSLParameters(parameters);
    socket
        .getOutputStream()
        .write(
            ("GET /stream HTTP/1.1\r\nHost: " + host + "\r\n" + headers + "\r\n")
                .getBytes(StandardCharsets.ISO_8859_1));
    StringBuilder begun = new StringBuilder();
    while (begun.indexOf("user ") < 0) {
      int octet = socket.getInputStream().read();
      assertThat(octet).as("the end, after: " + begun).isNotNegative();
      begun.append((char) octet);
    }
    return socket;
  }

  /** Waits until it ends, in whatever way; 20 seconds at most. */
  private static void assertBrokenOff(SSLSocket stream) throws IOException {
    try {
      stream.getInputStream().transferTo(OutputStream.nullOutputStream());
    } catch (SocketTimeoutException e) {
      throw new AssertionError("the request is still open", e);
    } catch (IOException e) {
      assertThat(e).as("a connection that was reset").isNotNull();
    }
  }

  private static String get(String serverName, String host, Owned certificate, String headers)
      throws Exception {
    return send(context(certificate, new AtomicBoolean()), serverName, host, "/", headers);
  }

  private static String get(String host, Owned certificate) throws Exception {
    return get(host, host, certificate, "");
  }

  private static String send(
      SSLContext context, String serverName, String host, String path, String headers)
      throws Exception {
    return send(context, serverName, host, "GET " + path, headers, "");
  }

  private static String post(String... headers) throws Exception {
    return send(
        context(ALICE, new AtomicBoolean()),
        "cert.test",
        "cert.test",
        "POST /",
        "Content-Length: 3\r\n" + String.join("\r\n", headers) + "\r\n",
        "a=b");
  }

  private static String send(
      SSLContext context,
      String serverName,
      String host,
      String methodAndPath,
      String headers,
      String body)
      throws Exception {
    try (Socket plain = new Socket(InetAddress.getLoopbackAddress(), gateway.port());
        SSLSocket socket =
            (SSLSocket) context.getSocketFactory().createSocket(plain, "x", 1, true)) {
      socket.setSoTimeout(20_000);
      if (serverName != null) {
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setServerNames(List.of(new SNIHostName(serverName)));
        socket.setSSLParameters(parameters);
      }
      socket
          .getOutputStream()
          .write(
              (methodAndPath
                      + " HTTP/1.1\r\nHost: "
                      + host
                      + "\r\nConnection: close\r\n"
                      + headers
                      + "\r\n"
                      + body)
                  .getBytes(StandardCharsets.ISO_8859_1));
      ByteArrayOutputStream all = new ByteArrayOutputStream();
      socket.getInputStream().transferTo(all);
      return all.toString(StandardCharsets.ISO_8859_1);
    }
  }

  private static SSLContext context(Owned certificate, AtomicBoolean asked) throws Exception {
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(
        new KeyManager[] {new Answering(certificate, asked)}, new TrustManager[] {new All()}, null);
    return context;
  }

  /**
   * Sends its certificate whenever it is asked, whoever the server would take, and remembers that.
   */
  private static final class Answering extends X509ExtendedKeyManager {
    private final Owned own;
    private final AtomicBoolean asked;

    Answering(Owned own, AtomicBoolean asked) {
      this.own = own;
      this.asked = asked;
    }

    @Override
    public String chooseClientAlias(
        String[] types, java.security.Principal[] issuers, Socket socket) {
      asked.set(true);
      return own == null ? null : "own";
    }

    @Override
    public String chooseEngineClientAlias(
        String[] types, java.security.Principal[] issuers, SSLEngine engine) {
      return chooseClientAlias(types, issuers, null);
    }

    @Override
    public X509Certificate[] getCertificateChain(String alias) {
      return own == null ? null : new X509Certificate[] {own.certificate()};
    }

    @Override
    public java.security.PrivateKey getPrivateKey(String alias) {
      return own == null ? null : own.key();
    }

    @Override
    public String[] getClientAliases(String type, java.security.Principal[] issuers) {
      return new String[] {"own"};
    }

    @Override
    public String[] getServerAliases(String type, java.security.Principal[] issuers) {
      return null;
    }

    @Override
    public String chooseServerAlias(String type, java.security.Principal[] issuers, Socket socket) {
      return null;
    }
  }

  private static final class All implements X509TrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }

  // ---- who is asked

  @ParameterizedTest
  @ValueSource(strings = {"cert.test", "both.test", "maybe.test", "CERT.TEST"})
  void host_asks_ifItsApplicationDoes(String host) throws Exception {
    AtomicBoolean asked = new AtomicBoolean();
    send(context(ALICE, asked), host, host, "/", "");
    assertThat(asked).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"open.test", "other.test", "certxtest.test", "x.cert.test"})
  void otherHosts_doNotAsk(String serverName) throws Exception {
    AtomicBoolean asked = new AtomicBoolean();
    send(context(ALICE, asked), serverName, "open.test", "/", "Session: carol\r\n");
    send(context(ALICE, asked), null, "open.test", "/", "Session: carol\r\n");
    assertThat(asked).isFalse();
  }

  @Test
  void openApplication_isReached_asBefore() throws Exception {
    assertThat(get("open.test", "open.test", ALICE, "Session: carol\r\n"))
        .startsWith("HTTP/1.1 200")
        .endsWith("user carol");
    assertThat(get("open.test", ALICE)).startsWith("HTTP/1.1 401");
  }

  // ---- what counts

  @Test
  void certificate_saysWhoTheUserIs() throws Exception {
    assertThat(get("cert.test", ALICE)).startsWith("HTTP/1.1 200").endsWith("user alice");
  }

  // ---- whose wish it is

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site",
        "Origin: https://evil.test",
        "Origin: null",
        "Origin: https://cert.test.evil.test",
        "Origin: http://cert.test",
        "Origin: https://cert.test\r\nOrigin: https://evil.test",
      })
  void change_isRefused_whenAnotherSiteAsksTheBrowserForIt(String headers) throws Exception {
    int before = ORIGIN_REQUESTS.get();
    assertRefused("APX-220", post(headers));
    assertThat(ORIGIN_REQUESTS).hasValue(before);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Sec-Fetch-Site: same-origin\r\nOrigin: https://cert.test",
        "Sec-Fetch-Site: none",
        "Origin: https://cert.test",
        "User-Agent: no-browser",
      })
  void change_isMade_whenItIsOfTheApplicationOrOfNoBrowser(String headers) throws Exception {
    assertThat(post(headers)).startsWith("HTTP/1.1 200").endsWith("user alice");
  }

  @Test
  void change_isMade_whenTheOtherSiteIsAllowedToWithCredentials() throws Exception {
    assertThat(post("Sec-Fetch-Site: cross-site", "Origin: https://friend.test"))
        .startsWith("HTTP/1.1 200")
        .endsWith("user alice");
  }

  @Test
  void webSocket_isRefused_whenAnotherSiteOpensIt() throws Exception {
    assertRefused(
        "APX-220",
        get(
            "cert.test",
            "cert.test",
            ALICE,
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://evil.test\r\n"));
  }

  @Test
  void link_isFollowed_fromAnotherSite() throws Exception {
    assertThat(get("cert.test", "cert.test", ALICE, "Sec-Fetch-Site: cross-site\r\n"))
        .startsWith("HTTP/1.1 200");
  }

  @Test
  void session_isNoSubstitute_norAnIdentityBesideTheCertificates() throws Exception {
    assertRefused("APX-218", get("cert.test", "cert.test", null, "Session: carol\r\n"));
    assertThat(get("cert.test", "cert.test", ALICE, "Session: carol\r\n")).endsWith("user alice");
  }

  @Test
  void certificateBesideASignIn_isNotEnough_norIsTheSignIn() throws Exception {
    assertThat(get("both.test", ALICE)).startsWith("HTTP/1.1 401");
    assertRefused("APX-218", get("both.test", "both.test", null, "Session: carol\r\n"));
    assertThat(get("both.test", "both.test", ALICE, "Session: carol\r\n"))
        .startsWith("HTTP/1.1 200")
        .endsWith("user carol");
  }

  @Test
  void pageOfTheGateway_knowsWhoseTheCertificateIs() throws Exception {
    String page =
        send(
            context(ALICE, new AtomicBoolean()),
            "cert.test",
            "cert.test",
            "/.apprxy/page",
            "Session: carol\r\n");

    assertThat(page).startsWith("HTTP/1.1 200").endsWith("page of alice");
  }

  @Test
  void optionalCertificate_isNobody() throws Exception {
    assertThat(get("maybe.test", ALICE)).startsWith("HTTP/1.1 401");
    assertThat(get("maybe.test", "maybe.test", null, "Session: carol\r\n")).endsWith("user carol");
    assertThat(get("maybe.test", "maybe.test", STRANGERS.client("eve"), "Session: carol\r\n"))
        .endsWith("user carol");
  }

  @Test
  void certificateThatDoesNotCount_isRefused_withAnAnswer() throws Exception {
    for (Owned certificate :
        List.of(
            STRANGERS.client("alice"),
            USERS.client("old", new Validity(-10, -1), KeyPurposeId.id_kp_clientAuth),
            USERS.client("young", new Validity(1, 10), KeyPurposeId.id_kp_clientAuth),
            USERS.client("server", new Validity(-1, 10), KeyPurposeId.id_kp_serverAuth),
            BOB)) {
      for (String host : List.of("cert.test", "both.test")) {
        assertRefused("APX-219", get(host, host, certificate, "Session: carol\r\n"));
      }
    }
  }

  @Test
  void issuersOwnName_onASelfMadeCertificate_isRefused() throws Exception {
    TestAuthority self = new TestAuthority("users");
    assertRefused("APX-219", get("cert.test", self.client("users")));
  }

  @Test
  void passthroughPath_needsNoCertificate() throws Exception {
    assertThat(send(context(null, new AtomicBoolean()), "cert.test", "cert.test", "/health", ""))
        .startsWith("HTTP/1.1 200")
        .endsWith("user null");
  }

  private static void assertRefused(String code, String response) {
    assertThat(response).startsWith("HTTP/1.1 403").contains(code).doesNotContain("user ");
  }

  @Test
  void listOfRevokedOnes_isReadAgain_whenItChanges() throws Exception {
    Owned dave = USERS.client("dave");
    assertThat(get("cert.test", dave)).endsWith("user dave");
    USERS.revoke(revocations, BOB.certificate(), dave.certificate());
    Files.setLastModifiedTime(revocations, FileTime.from(Instant.now().plusSeconds(5)));
    CLOCK.ahead = CLOCK.ahead.plusSeconds(10);

    assertRefused("APX-219", get("cert.test", dave));
    assertThat(get("cert.test", ALICE)).endsWith("user alice");
    Files.writeString(revocations, "no list at all");
    Files.setLastModifiedTime(revocations, FileTime.from(Instant.now().plusSeconds(9)));
    CLOCK.ahead = CLOCK.ahead.plusSeconds(10);
    assertRefused("APX-219", get("cert.test", dave));
  }

  @Test
  void openRequest_isBrokenOff_whenItsCertificateIsRevoked() throws Exception {
    Owned erin = USERS.client("erin");
    try (SSLSocket stream = stream(gateway.port(), "both.test", erin, "Session: erin\r\n")) {
      USERS.revoke(revocations, BOB.certificate(), erin.certificate());
      Files.setLastModifiedTime(revocations, FileTime.from(Instant.now().plusSeconds(30)));
      CLOCK.ahead = CLOCK.ahead.plusSeconds(10);

      assertBrokenOff(stream);
    }
  }

  @Test
  void openRequest_isBrokenOff_whenItsCertificateIsNobodysAnyMore() throws Exception {
    AtomicReference<Identity> owner =
        new AtomicReference<>(
            new Identity(
                "https://issuer.test",
                "alice",
                "s",
                Instant.EPOCH,
                Map.of("preferred_username", "alice")));
    try (Gateway mapping =
        Gateway.builder()
            .host("127.0.0.1")
            .port(0)
            .tls(serving(SERVERS.server("cert.test")))
            .clientCertificates(
                ClientCertificates.builder()
                    .keys(SERVERS.server("cert.test").managers())
                    .trust(USERS.certificate)
                    .identity(certificate -> owner.get())
                    .build())
            .accessPolicy(exchange -> Verdict.proceed())
            .signOn(
                (request, identity, application) -> {
                  request.set("X-User", identity.name());
                  return Verdict.proceed();
                })
            .publish(application("cert", ClientCertificate.IDENTITY))
            .build()
            .start()) {
      try (SSLSocket stream = stream(mapping.port(), "cert.test", ALICE, "")) {
        owner.set(null);

        assertBrokenOff(stream);
      }
    }
  }

  // ---- by which connection

  /** Domain fronting: TLS is for a host that asks nobody, the request for one that needs it. */
  @ParameterizedTest
  @ValueSource(strings = {"open.test", "other.test", "maybe.test", "both.test"})
  void connectionForAnotherHost_isSentAway(String serverName) throws Exception {
    int before = ORIGIN_REQUESTS.get();
    for (Owned certificate : new Owned[] {null, ALICE}) {
      assertThat(get(serverName, "cert.test", certificate, "Session: carol\r\n"))
          .startsWith("HTTP/1.1 421")
          .contains("APX-107");
      assertThat(get(null, "cert.test", certificate, "Session: carol\r\n"))
          .startsWith("HTTP/1.1 421");
    }
    assertThat(ORIGIN_REQUESTS).hasValue(before);
  }

  @Test
  void secondRequestOfAConnection_isCheckedLikeTheFirst() throws Exception {
    SSLContext context = context(ALICE, new AtomicBoolean());
    String two =
        send(
            context,
            "cert.test",
            "cert.test",
            "/",
            "X: y\r\n\r\nGET / HTTP/1.1\r\nHost: both.test\r\nSession: carol\r\n");
    assertThat(two).doesNotContain("user carol");
  }

  @Test
  void resumedSession_keepsItsCertificate() throws Exception {
    SSLContext context = context(ALICE, new AtomicBoolean());
    for (int i = 0; i < 3; i++) {
      assertThat(send(context, "cert.test", "cert.test", "/", "")).endsWith("user alice");
    }
  }

  /** By openssl, since Java's own client names the host of the session that it resumes. */
  @ParameterizedTest
  @ValueSource(strings = {"-tls1_2", "-tls1_3"})
  void sessionOfOneHost_isNotResumed_forAnother(String version) throws Exception {
    Path session = Files.createTempFile("session", ".pem");
    String first = openssl(version, "cert.test", "-sess_out", session.toString());
    assertThat(first).contains("user alice");
    assertThat(openssl(version, "cert.test", "-sess_in", session.toString()))
        .contains("user alice");
    assertThat(openssl(version, "open.test", "-sess_in", session.toString()))
        .contains("HTTP/1.1 421")
        .doesNotContain("user alice");
    Files.delete(session);
  }

  /** A request for {@code cert.test}, whatever the name in TLS. */
  private static String openssl(String version, String serverName, String... more)
      throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                "openssl",
                "s_client",
                version,
                "-quiet",
                "-connect",
                "127.0.0.1:" + gateway.port(),
                "-servername",
                serverName,
                "-cert",
                ALICE.pem().toString()));
    command.addAll(List.of("-key", command.get(command.size() - 1)));
    command.addAll(List.of(more));
    Process client = new ProcessBuilder(command).redirectErrorStream(true).start();
    client
        .getOutputStream()
        .write(
            "GET / HTTP/1.1\r\nHost: cert.test\r\nConnection: close\r\n\r\n"
                .getBytes(StandardCharsets.US_ASCII));
    client.getOutputStream().flush();
    String output = new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(client.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return output;
  }

  /** By curl, since Java's own client cannot be told where a name leads. */
  @Test
  void http2_carriesTheCertificate_andIsSentAway_forAnotherHost() throws Exception {
    assertThat(curl("cert.test", "cert.test", ALICE)).isEqualTo("2 200 user alice");
    assertThat(curl("cert.test", "cert.test", null)).startsWith("2 403");
    assertThat(curl("open.test", "cert.test", ALICE)).startsWith("2 421");
    assertThat(curl("cert.test", "cert.test", BOB)).startsWith("2 403");
  }

  private static String curl(String serverName, String host, Owned certificate) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                "curl",
                "-s",
                "-k",
                "--http2",
                "--max-time",
                "30",
                "--resolve",
                serverName + ":" + gateway.port() + ":127.0.0.1",
                "-H",
                "Host: " + host,
                "-o",
                "-",
                "-w",
                "\\n%{http_version} %{http_code}"));
    if (certificate != null) {
      command.addAll(List.of("--cert", certificate.pem().toString()));
    }
    command.add("https://" + serverName + ":" + gateway.port() + "/");
    Process curl = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(curl.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(curl.waitFor(60, TimeUnit.SECONDS)).isTrue();
    int line = output.lastIndexOf("\n");
    String status = output.substring(line + 1);
    return status.endsWith("200") ? status + " " + output.substring(0, line) : status;
  }

  // ---- settings

  @Test
  void certificates_needATrustAnchor_andTheGatewayNeedsThem() {
    assertThatThrownBy(() -> ClientCertificates.builder().build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("trust");
    assertThatThrownBy(
            () ->
                ClientCertificates.builder()
                    .trust(USERS.certificate)
                    .revocations(Path.of("/nowhere"))
                    .build())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("/nowhere");
    assertThatThrownBy(
            () ->
                Gateway.builder()
                    .accessPolicy(exchange -> Verdict.proceed())
                    .publish(application("cert", ClientCertificate.IDENTITY))
                    .build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("clientCertificates");
  }
}
