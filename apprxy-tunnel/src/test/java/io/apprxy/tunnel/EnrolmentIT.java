package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.ErrorCode;
import io.undertow.Undertow;
import io.undertow.server.HttpHandler;
import io.undertow.server.handlers.BlockingHandler;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who is let into the tunnel, by real sockets: what an attacker would send at each door. */
@Timeout(120)
class EnrolmentIT {
  private static final Duration DAY = Duration.ofDays(1);

  @TempDir private Path directory;

  private final TestTls tls = new TestTls();
  private final TestClock clock = new TestClock();
  private final BlockingQueue<TunnelEvent> events = new LinkedBlockingQueue<>();
  private final List<AutoCloseable> parts = new ArrayList<>();

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  // ---- tokens and requests

  @Test
  void token_isGoodForOneConnector_whichCanRenew() throws Exception {
    TunnelServer tunnel = tunnel();
    String token = tunnel.createEnrolmentToken("default");
    ConnectorIdentity identity = TestPeer.enrolled(tls, tunnel.port(), token);

    assertThat(identity.certificate().group()).isEqualTo("default");
    assertThat(event(TunnelEvent.Type.ENROLLED).connector()).isEqualTo(identity.certificate().id());
    assertRefused(peer(tunnel).enrol(token, csr()), ErrorCode.ENROLMENT_TOKEN_REFUSED);
    assertThat(peer(tunnel, identity).renew(csr()).statusCode()).isEqualTo(200);
    assertThat(event(TunnelEvent.Type.RENEWED).connector()).isEqualTo(identity.certificate().id());
  }

  @Test
  void token_thatIsTooOld_orWasNeverMade_isRefused_withTheSameWords() throws Exception {
    TunnelServer tunnel = tunnel();
    String token = tunnel.createEnrolmentToken("default", Duration.ofMinutes(1));
    clock.advance(Duration.ofMinutes(1));

    HttpResponse<String> old = peer(tunnel).enrol(token, csr());
    assertRefused(old, ErrorCode.ENROLMENT_TOKEN_REFUSED);
    assertThat(peer(tunnel).enrol("apxe-guessed", csr()).body()).isEqualTo(old.body());
  }

  @Test
  void request_thatWasHeardBefore_isRefused_withAnyTokenAndAnyCertificate() throws Exception {
    TunnelServer tunnel = tunnel();
    String csr = csr();
    peer(tunnel).enrol(tunnel.createEnrolmentToken("default"), csr);
    String another = tunnel.createEnrolmentToken("default");

    assertRefused(peer(tunnel).enrol(another, csr), ErrorCode.KEY_USED);
    ConnectorIdentity thief = TestPeer.enrolled(tls, tunnel.port(), another);
    assertRefused(peer(tunnel, thief).renew(csr), ErrorCode.KEY_USED);
    String renewal = csr();
    assertThat(peer(tunnel, thief).renew(renewal).statusCode()).isEqualTo(200);
    assertRefused(peer(tunnel, thief).renew(renewal), ErrorCode.KEY_USED);
  }

  @Test
  void guesses_areSlowedDown() throws Exception {
    TunnelServer tunnel = tunnel();
    for (int i = 0; i < 30; i++) {
      assertRefused(peer(tunnel).enrol("guess", csr()), ErrorCode.ENROLMENT_TOKEN_REFUSED);
    }

    HttpResponse<String> refused = peer(tunnel).enrol("guess", csr());
    assertRefused(refused, ErrorCode.TOO_MANY_ATTEMPTS);
    assertThat(refused.headers().firstValue("Retry-After")).hasValue("60");
    clock.advance(Duration.ofMinutes(1));
    TestPeer.enrolled(tls, tunnel.port(), tunnel.createEnrolmentToken("default"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "null",
        "[]",
        "{",
        "token=a&csr=b",
        "{\"token\":\"a\"}",
        "{\"token\":1,\"csr\":[]}",
        "{\"csr\":\"a\"}"
      })
  void garbage_isRefused_atBothDoors(String body) throws Exception {
    TunnelServer tunnel = tunnel();
    ConnectorIdentity identity = enrolled(tunnel);

    assertThat(peer(tunnel).post(Wire.ENROL_PATH, body).statusCode()).isBetween(400, 401);
    assertRefused(
        peer(tunnel, identity).post(Wire.RENEW_PATH, body), ErrorCode.CERTIFICATE_REQUEST_REFUSED);
  }

  @Test
  void bodyThatIsTooLarge_isRefused_whetherItSaysSoOrNot() throws Exception {
    TunnelServer tunnel = tunnel();
    String large = "{\"token\":\"" + "x".repeat(50_000) + "\"}";

    assertThat(peer(tunnel).post(Wire.ENROL_PATH, large).statusCode()).isEqualTo(413);
    try (Socket chunked = raw(tunnel, "Transfer-Encoding: chunked\n\nc350\n" + large)) {
      assertThat(head(chunked)).startsWith("HTTP/1.1 413");
    }
  }

  @Test
  void bodyThatDoesNotCome_isNotWaitedFor() throws Exception {
    TunnelServer tunnel = tunnel();

    try (Socket slow = raw(tunnel, "Content-Length: 100\n\n{\"token\":");
        Socket truncated = raw(tunnel, "Content-Length: 100\n\n{\"token\":")) {
      truncated.shutdownOutput();
      assertThat(truncated.getInputStream().read()).isEqualTo(-1);
      assertThat(slow.getInputStream().read()).isEqualTo(-1);
    }
    enrolled(tunnel);
  }

  // ---- certificates

  @ParameterizedTest
  @ValueSource(strings = {"/", Wire.CONNECT_PATH, Wire.CONTROL_PATH, "/.apprxy/enrol/"})
  void peerWithoutACertificate_getsNothing(String path) throws Exception {
    assertRefused(peer(tunnel()).get(path), ErrorCode.CERTIFICATE_REQUIRED);
    assertRefused(peer(tunnel()).post(path, "{}"), ErrorCode.CERTIFICATE_REQUIRED);
  }

  @Test
  void peerWithoutACertificate_cannotRenew() throws Exception {
    assertRefused(peer(tunnel()).renew(csr()), ErrorCode.CERTIFICATE_REQUIRED);
  }

  @Test
  void certificateOfAnotherAuthority_failsTheHandshake() throws Exception {
    ConnectorIdentity foreign = enrolled(tunnel());
    TunnelServer tunnel = tunnel();

    assertThatThrownBy(() -> new TestPeer(insisting(foreign), tunnel.port()).renew(csr()))
        .isInstanceOf(IOException.class);
    assertThatThrownBy(() -> new TestPeer(insisting(foreign), tunnel.port()).enrol("t", csr()))
        .isInstanceOf(IOException.class);
  }

  @Test
  void certificateThatAPeerMadeItself_failsTheHandshake() throws Exception {
    TunnelServer tunnel = tunnel();
    AuthorityKey own = AuthorityKey.create(Instant.now());
    KeyPair key = AuthorityKey.newKeyPair();
    X509Certificate forged =
        own.certify(key.getPublic(), "default", "forged", clock.instant(), DAY);
    ConnectorIdentity identity = new ConnectorIdentity(key.getPrivate(), List.of(forged));

    assertThatThrownBy(() -> new TestPeer(insisting(identity), tunnel.port()).renew(csr()))
        .isInstanceOf(IOException.class);
  }

  /** A connector's key signs no connectors, though the authority has signed it. */
  @Test
  void certificateThatAConnectorSigned_failsTheHandshake() throws Exception {
    TunnelServer tunnel = tunnel();
    ConnectorIdentity connector = enrolled(tunnel);
    AuthorityKey abused =
        new AuthorityKey("0000000000000", connector.chain().get(0), connector.key());
    KeyPair key = AuthorityKey.newKeyPair();
    X509Certificate forged =
        abused.certify(key.getPublic(), "default", "forged", clock.instant(), DAY);
    ConnectorIdentity identity =
        new ConnectorIdentity(
            key.getPrivate(), List.of(forged, connector.chain().get(0), connector.chain().get(1)));

    assertThatThrownBy(() -> new TestPeer(insisting(identity), tunnel.port()).renew(csr()))
        .isInstanceOf(IOException.class);
  }

  @Test
  void certificateThatHasExpired_isRefused_andSaysWhatToDo() throws Exception {
    TunnelServer tunnel = tunnel();
    ConnectorIdentity identity = enrolled(tunnel);
    clock.advance(DAY);

    HttpResponse<String> refused = peer(tunnel, identity).renew(csr());
    assertRefused(refused, ErrorCode.CERTIFICATE_EXPIRED);
    assertThat(refused.body()).contains("create a token on the gateway");
  }

  /** A session that is resumed is not verified anew by TLS. */
  @Test
  void revokedConnector_isRefused_onSessionsThatItResumes_too() throws Exception {
    TunnelServer tunnel = tunnel();
    ConnectorIdentity identity = enrolled(tunnel);
    SSLContext context = tls.client(identity);
    assertThat(new TestPeer(context, tunnel.port()).renew(csr()).statusCode()).isEqualTo(200);

    assertThat(tunnel.revoke(identity.certificate().id())).isTrue();

    assertRefused(new TestPeer(context, tunnel.port()).renew(csr()), ErrorCode.CONNECTOR_REVOKED);
    assertRefused(peer(tunnel, identity).renew(csr()), ErrorCode.CONNECTOR_REVOKED);
    assertThat(event(TunnelEvent.Type.REVOKED).connector()).isEqualTo(identity.certificate().id());
  }

  @Test
  void connectorOfAGroupThatIsGone_isRefused() throws Exception {
    TunnelServer before = tunnel(builder -> builder.state(directory.resolve("state")));
    ConnectorIdentity identity = enrolled(before);
    TunnelServer after =
        opened(
            TunnelServer.builder()
                .host("127.0.0.1")
                .port(0)
                .tls(tls.keys("localhost"))
                .group("other")
                .state(directory.resolve("state"))
                .clock(clock)
                .build()
                .start());

    assertRefused(peer(after, identity).renew(csr()), ErrorCode.GROUP_UNKNOWN);
  }

  @Test
  void rotatedAuthorityKey_isNotNoticedByConnectors() throws Exception {
    TunnelServer tunnel = tunnel();
    ConnectorIdentity old = enrolled(tunnel);
    tunnel.rotateAuthorityKey();
    clock.advance(Authority.HANDOVER.plusSeconds(1));
    ConnectorIdentity young = enrolled(tunnel);

    assertThat(young.chain().get(1)).isNotEqualTo(old.chain().get(1));
    ConnectorIdentity.Request request = ConnectorIdentity.Request.create();
    ConnectorIdentity renewed = request.certified(peer(tunnel, old).renew(request.pem()).body());
    assertThat(renewed.chain().get(1)).isEqualTo(young.chain().get(1));
    for (ConnectorIdentity each : List.of(old, young, renewed)) {
      assertThat(peer(tunnel, each).renew(csr()).statusCode()).isEqualTo(200);
    }
  }

  @Test
  void restartedGateway_knowsItsConnectorsTokensAndRevocations() throws Exception {
    TunnelServer before = tunnel(builder -> builder.state(directory.resolve("state")));
    ConnectorIdentity identity = enrolled(before);
    ConnectorIdentity revoked = enrolled(before);
    before.revoke(revoked.certificate().id());
    String token = before.createEnrolmentToken("default");
    before.close();

    TunnelServer after = tunnel(builder -> builder.state(directory.resolve("state")));
    assertThat(peer(after, identity).renew(csr()).statusCode()).isEqualTo(200);
    assertRefused(peer(after, revoked).renew(csr()), ErrorCode.CONNECTOR_REVOKED);
    TestPeer.enrolled(tls, after.port(), token);
  }

  // ---- connectors

  @Test
  void connectorOfAnotherGroup_servesNoneOfThisGroupsApplications() throws Exception {
    Chain chain = chain(exchange -> exchange.getResponseSender().send("reached"));
    Connector other =
        chain.connector(
            builder -> builder.enrolmentToken(chain.tunnel.createEnrolmentToken("other")));
    parts.add(other);
    other.start();
    assertThat(chain.tunnel.awaitConnector("other", Duration.ofSeconds(30))).isTrue();

    assertThat(chain.get("/").body()).contains("APX-501").doesNotContain("reached");
    assertThat(chain.tunnel.connectors())
        .singleElement()
        .satisfies(connector -> assertThat(connector.group()).isEqualTo("other"));
  }

  @Test
  void restartedConnector_needsNoToken() throws Exception {
    Chain chain = chain(exchange -> exchange.getResponseSender().send("served"));
    Path file = directory.resolve("identity.pem");
    chain.connect(chain.originPort, builder -> builder.identity(file)).close();
    String id = ConnectorIdentity.load(file).certificate().id();

    chain.connect(chain.originPort, builder -> builder.identity(file).enrolmentToken(() -> null));

    assertThat(chain.get("/").body()).isEqualTo("served");
    assertThat(chain.tunnel.connectors())
        .anySatisfy(connector -> assertThat(connector.id()).isEqualTo(id));
  }

  @Test
  void revocation_closesConnectionsAtOnce_withWhatTheyCarry_andLetsNoneInAgain() throws Exception {
    CountDownLatch began = new CountDownLatch(1);
    CountDownLatch never = new CountDownLatch(1);
    Chain chain =
        chain(
            new BlockingHandler(
                exchange -> {
                  began.countDown();
                  never.await(60, TimeUnit.SECONDS);
                }));
    Connector connector = chain.connect(chain.originPort);
    String id = chain.tunnel.connectors().get(0).id();
    CompletableFuture<HttpResponse<String>> inFlight =
        chain.client.sendAsync(
            chain.request("/").POST(BodyPublishers.ofString("once")).build(),
            BodyHandlers.ofString());
    assertThat(began.await(30, TimeUnit.SECONDS)).isTrue();

    assertThat(chain.tunnel.revoke(id)).isTrue();

    assertThat(inFlight.get(30, TimeUnit.SECONDS).body()).contains("APX-502");
    until(() -> chain.tunnel.connectors().isEmpty() && !connector.isConnected());
    until(() -> refused(ErrorCode.CONNECTOR_REVOKED));
    never.countDown();
  }

  @Test
  void revocation_onOneGateway_closesConnectionsToTheOthers() throws Exception {
    Chain chain =
        chain(
            exchange -> exchange.getResponseSender().send("served"),
            builder -> builder.state(directory.resolve("state")));
    TunnelServer other = tunnel(builder -> builder.state(directory.resolve("state")));
    chain.connect(chain.originPort);

    other.revoke(chain.tunnel.connectors().get(0).id());

    until(() -> chain.tunnel.connectors().isEmpty());
    assertThat(chain.get("/").body()).contains("APX-501");
  }

  /** As if it had been cut off: its own clock does not tell it that it should renew. */
  @Test
  void connectorWhoseCertificateExpires_isLetGo_andComesBackWithAToken() throws Exception {
    Chain chain = chain(exchange -> exchange.getResponseSender().send("served"));
    BlockingQueue<String> tokens = new LinkedBlockingQueue<>();
    tokens.add(chain.tunnel.createEnrolmentToken("default"));
    TestClock stopped = new TestClock();
    chain.connect(chain.originPort, builder -> builder.clock(stopped).enrolmentToken(tokens::poll));
    String id = chain.tunnel.connectors().get(0).id();

    clock.advance(DAY);
    until(() -> chain.tunnel.connectors().isEmpty());
    until(() -> refused(ErrorCode.CERTIFICATE_EXPIRED));
    tokens.add(chain.tunnel.createEnrolmentToken("default"));

    assertThat(chain.tunnel.awaitConnector("default", Duration.ofSeconds(60))).isTrue();
    assertThat(chain.tunnel.connectors().get(0).id()).isNotEqualTo(id);
  }

  @Test
  void connectorThatRenews_losesNoRequest() throws Exception {
    Chain chain =
        chain(
            exchange -> exchange.getResponseSender().send("served"),
            builder -> builder.certificateLifetime(Duration.ofMinutes(10)));
    chain.connect(chain.originPort);
    chain.connect(chain.originPort);
    Instant end = clock.instant().plus(Duration.ofMinutes(25));

    try (Load load = new Load(chain)) {
      while (clock.instant().isBefore(end)) {
        // No more at once than assertions that are under way can bear.
        clock.advance(Duration.ofSeconds(4));
        load.awaitAnswers(20);
      }
      until(() -> renewals() >= 6);
      load.awaitAnswers(200);
      assertThat(load.failures).isEmpty();
    }
    assertThat(chain.tunnel.connectors())
        .hasSize(2)
        .allSatisfy(
            connector -> {
              assertThat(connector.connections()).isEqualTo(2);
              assertThat(connector.phase()).isEqualTo(ConnectorState.Phase.UP);
            });
  }

  /** One token, and two who would have it: the other takes the next one. */
  @Test
  void connectorsThatStartAtOnce_withOneToken_areBothEnrolled() throws Exception {
    Chain chain = chain(exchange -> exchange.getResponseSender().send("served"));
    Path file = directory.resolve("token");
    Files.writeString(file, chain.tunnel.createEnrolmentToken("default"));
    for (int i = 0; i < 2; i++) {
      parts.add(chain.connector(builder -> builder.enrolmentToken(() -> read(file))).start());
    }
    until(() -> refused(ErrorCode.ENROLMENT_TOKEN_REFUSED));
    Files.writeString(file, chain.tunnel.createEnrolmentToken("default"));

    until(() -> chain.tunnel.connectors().size() == 2);
  }

  // ---- parts

  private TunnelServer tunnel() {
    return tunnel(builder -> builder);
  }

  private TunnelServer tunnel(UnaryOperator<TunnelServer.Builder> settings) {
    return opened(
        settings
            .apply(
                TunnelServer.builder()
                    .host("127.0.0.1")
                    .port(0)
                    .tls(tls.keys("localhost"))
                    .group("default")
                    .clock(clock)
                    .listener(events::add))
            .build()
            .start());
  }

  private Chain chain(HttpHandler atOrigin) {
    return chain(atOrigin, builder -> builder);
  }

  private Chain chain(HttpHandler atOrigin, UnaryOperator<TunnelServer.Builder> settings) {
    Undertow origin = Chain.undertow(atOrigin);
    parts.add(origin::stop);
    Chain chain =
        new Chain(
            Chain.portOf(origin),
            application -> application,
            builder -> settings.apply(builder.group("other").clock(clock).listener(events::add)),
            connector -> connector.clock(clock));
    parts.add(chain);
    return chain;
  }

  private <T extends AutoCloseable> T opened(T part) {
    parts.add(part);
    return part;
  }

  private ConnectorIdentity enrolled(TunnelServer tunnel) throws Exception {
    return TestPeer.enrolled(tls, tunnel.port(), tunnel.createEnrolmentToken("default"));
  }

  private TestPeer peer(TunnelServer tunnel) {
    return new TestPeer(tls.client(), tunnel.port());
  }

  private TestPeer peer(TunnelServer tunnel, ConnectorIdentity identity) {
    return new TestPeer(tls.client(identity), tunnel.port());
  }

  private static String csr() {
    return ConnectorIdentity.Request.create().pem();
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static void assertRefused(HttpResponse<String> answer, ErrorCode code) {
    assertThat(answer.body()).contains(code.code(), code.remedy());
    assertThat(answer.statusCode()).isEqualTo(code.status());
    assertThat(answer.headers().firstValue("Content-Type")).hasValue("application/problem+json");
  }

  private TunnelEvent event(TunnelEvent.Type type) throws InterruptedException {
    while (true) {
      TunnelEvent event = events.poll(30, TimeUnit.SECONDS);
      assertThat(event).as("an event %s", type).isNotNull();
      if (event.type() == type) {
        return event;
      }
    }
  }

  private boolean refused(ErrorCode code) {
    return events.stream()
        .anyMatch(
            event ->
                event.type() == TunnelEvent.Type.REFUSED && event.detail().contains(code.code()));
  }

  private long renewals() {
    return events.stream().filter(event -> event.type() == TunnelEvent.Type.RENEWED).count();
  }

  private static void until(BooleanSupplier condition) {
    long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime()).as("deadline").isLessThan(deadline);
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(10));
    }
  }

  /** Begins a request to enrol that goes on as it is said. */
  private Socket raw(TunnelServer tunnel, String rest) throws IOException {
    Socket socket = tls.client().getSocketFactory().createSocket("localhost", tunnel.port());
    socket.setSoTimeout(30_000);
    socket
        .getOutputStream()
        .write(
            ("POST " + Wire.ENROL_PATH + " HTTP/1.1\nHost: localhost\n" + rest)
                .replace("\n", "\r\n")
                .getBytes(StandardCharsets.US_ASCII));
    return socket;
  }

  private static String head(Socket socket) throws IOException {
    return new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
  }

  /** A client that shows its certificate to everybody, whoever is asked for. */
  private SSLContext insisting(ConnectorIdentity identity) throws Exception {
    java.security.KeyStore store = java.security.KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setCertificateEntry("ca", tls.ca());
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(new KeyManager[] {new Insisting(identity)}, trust.getTrustManagers(), null);
    return context;
  }

  private static final class Insisting extends X509ExtendedKeyManager {
    private final ConnectorIdentity identity;

    Insisting(ConnectorIdentity identity) {
      this.identity = identity;
    }

    @Override
    public String chooseEngineClientAlias(String[] types, Principal[] issuers, SSLEngine engine) {
      return "connector";
    }

    @Override
    public String chooseClientAlias(String[] types, Principal[] issuers, Socket socket) {
      return "connector";
    }

    @Override
    public X509Certificate[] getCertificateChain(String alias) {
      return identity.chain().toArray(X509Certificate[]::new);
    }

    @Override
    public PrivateKey getPrivateKey(String alias) {
      return identity.key();
    }

    @Override
    public String[] getClientAliases(String type, Principal[] issuers) {
      return new String[] {"connector"};
    }

    @Override
    public String[] getServerAliases(String type, Principal[] issuers) {
      return null;
    }

    @Override
    public String chooseServerAlias(String type, Principal[] issuers, Socket socket) {
      return null;
    }
  }

  /** Users who send what may not be sent twice. */
  private static final class Load implements AutoCloseable {
    final Queue<String> failures = new ConcurrentLinkedQueue<>();
    private final AtomicInteger answers = new AtomicInteger();
    private final AtomicBoolean stop = new AtomicBoolean();
    private final List<CompletableFuture<Void>> users = new ArrayList<>();

    Load(Chain chain) {
      for (int i = 0; i < 4; i++) {
        users.add(CompletableFuture.runAsync(() -> ask(chain), run -> new Thread(run).start()));
      }
    }

    private void ask(Chain chain) {
      try {
        while (!stop.get()) {
          HttpResponse<String> answer =
              chain.client.send(
                  chain.request("/").POST(BodyPublishers.ofString("once")).build(),
                  BodyHandlers.ofString());
          if (!answer.body().equals("served")) {
            failures.add(answer.statusCode() + " " + answer.body());
          }
          answers.incrementAndGet();
        }
      } catch (IOException | InterruptedException e) {
        failures.add(e.toString());
      }
    }

    void awaitAnswers(int more) {
      int goal = answers.get() + more;
      until(() -> answers.get() >= goal || !failures.isEmpty());
      assertThat(failures).isEmpty();
    }

    @Override
    public void close() {
      stop.set(true);
      CompletableFuture.allOf(users.toArray(CompletableFuture[]::new))
          .orTimeout(60, TimeUnit.SECONDS)
          .join();
    }
  }
}
