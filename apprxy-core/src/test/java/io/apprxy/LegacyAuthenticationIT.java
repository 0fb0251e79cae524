package io.apprxy;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application.LegacyAuthentication;
import io.apprxy.observe.SignInEvent;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.AttachmentKey;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Authentication that an origin does itself. This one takes a connection for a user's as soon as
 * {@code Authorization: NTLM} named them, as servers of NTLM do.
 */
@Timeout(60)
class LegacyAuthenticationIT {
  private static final HttpString USER = new HttpString("Connection-User");
  private static final AttachmentKey<String> OWNER = AttachmentKey.create(String.class);

  private ProtectedGateway gateway;

  @AfterEach
  void stop() {
    gateway.close();
  }

  private void start(UnaryOperator<Application.Builder> settings) {
    gateway = new ProtectedGateway(settings);
    gateway.answers = LegacyAuthenticationIT::authenticate;
  }

  private static void authenticate(HttpServerExchange exchange) {
    String credentials = exchange.getRequestHeaders().getFirst(Headers.AUTHORIZATION);
    if (credentials != null && credentials.startsWith("NTLM ")) {
      exchange.getConnection().putAttachment(OWNER, credentials.substring("NTLM ".length()));
    }
    String owner = exchange.getConnection().getAttachment(OWNER);
    exchange.getResponseHeaders().put(USER, owner == null ? "nobody" : owner);
    exchange
        .getResponseHeaders()
        .addAll(Headers.WWW_AUTHENTICATE, List.of("NTLM", "Basic realm=\"x\"", "Bearer"));
  }

  // ---- a connection of one's own

  @Test
  void clientsConnection_staysTheUsersThatItAuthenticated() throws Exception {
    start(application -> application);
    try (Client client = new Client()) {
      assertThat(client.user("/", "")).isEqualTo("nobody");
      assertThat(client.user("/", "Authorization: NTLM alice\n")).isEqualTo("alice");
      for (int i = 0; i < 20; i++) {
        assertThat(client.user("/", "")).isEqualTo("alice");
      }
    }
  }

  @Test
  void connectionsOfOthers_areNobodys() throws Exception {
    start(application -> application);
    try (Client client = new Client();
        Client another = new Client()) {
      assertThat(another.user("/", "")).isEqualTo("nobody");
      assertThat(client.user("/", "Authorization: NTLM alice\n")).isEqualTo("alice");
      for (int i = 0; i < 50; i++) {
        assertThat(another.user("/", "")).isEqualTo("nobody");
        try (Client fresh = new Client()) {
          assertThat(fresh.user("/", "")).isEqualTo("nobody");
        }
      }
      assertThat(client.user("/", "")).isEqualTo("alice");
    }
    try (Client later = new Client()) {
      assertThat(later.user("/", "")).isEqualTo("nobody");
    }
  }

  @Test
  void anotherSession_onTheSameConnection_isNobody() throws Exception {
    start(application -> application.passthroughPath("/open", "GET"));
    try (Client client = new Client()) {
      assertThat(client.user("/", "Authorization: NTLM alice\n")).isEqualTo("alice");
      assertThat(client.user("/open", "")).isEqualTo("nobody");
      assertThat(client.user("/", "")).isEqualTo("alice");
    }
  }

  /** Many come by it. */
  @Test
  void connectionOfAProxy_isNobodys_whereNobodyIsKnown() throws Exception {
    start(application -> application.passthroughPath("/open", "GET"));
    try (Client proxy = new Client()) {
      assertThat(proxy.user("/open", "X-Forwarded-For: 192.0.2.1\nAuthorization: NTLM alice\n"))
          .isEqualTo("alice");
      for (int i = 0; i < 20; i++) {
        assertThat(proxy.user("/open", "X-Forwarded-For: 192.0.2.2\n")).isEqualTo("nobody");
      }
    }
  }

  @Test
  void connectionOfAProxy_isNobodys_evenIfItDoesNotAlwaysSayForWhom() throws Exception {
    start(application -> application.passthroughPath("/open", "GET"));
    try (Client proxy = new Client()) {
      assertThat(proxy.user("/open", "Authorization: NTLM alice\n")).isEqualTo("alice");
      assertThat(proxy.user("/open", "X-Forwarded-For: 192.0.2.2\n")).isEqualTo("nobody");
      assertThat(proxy.user("/open", "")).isEqualTo("nobody");
    }
  }

  @Test
  void connectionOfAClient_whomNobodyKnows_isItsOwn() throws Exception {
    gateway =
        new ProtectedGateway(
            application -> application.passthroughPath("/open", "GET"), new String[0]);
    gateway.answers = LegacyAuthenticationIT::authenticate;
    try (Client client = new Client();
        Client another = new Client()) {
      assertThat(client.user("/open", "Authorization: NTLM alice\n")).isEqualTo("alice");
      assertThat(client.user("/open", "")).isEqualTo("alice");
      assertThat(another.user("/open", "")).isEqualTo("nobody");
      // It says itself that it is a proxy's.
      assertThat(client.user("/open", "Via: 1.1 proxy\n")).isEqualTo("nobody");
    }
  }

  /** As with Undertow's ProxyPeerAddressHandler. */
  @Test
  void connectionOfAProxy_thatTheServerKnowsOf_isNobodys() throws Exception {
    gateway =
        new ProtectedGateway(
            application -> application.passthroughPath("/open", "GET"), new String[0]);
    gateway.answers = LegacyAuthenticationIT::authenticate;
    gateway.before =
        exchange ->
            exchange.setSourceAddress(
                new InetSocketAddress(InetAddress.getByName("192.0.2.1"), 1234));
    try (Client proxy = new Client()) {
      assertThat(proxy.user("/open", "Authorization: NTLM alice\n")).isEqualTo("alice");
      assertThat(proxy.user("/open", "")).isEqualTo("nobody");
    }
  }

  /** All users share its connections. */
  @Test
  void originOfHttp2_getsNoSuchCredentials() throws Exception {
    start(application -> application.originProtocol(Application.OriginProtocol.HTTP_2));
    try (Client client = new Client()) {
      assertThat(client.user("/", "Authorization: NTLM alice\n")).isEqualTo("nobody");
      assertThat(client.user("/", "")).isEqualTo("nobody");
    }
  }

  /** As of HTTP/2, requests of HTTP/1.0 are bound to nothing. */
  @Test
  void connectionThatIsNotBound_isClosed() throws Exception {
    start(application -> application);
    for (int i = 0; i < 10; i++) {
      try (Client client = new Client()) {
        assertThat(client.user("/", "Authorization: NTLM alice\n", "HTTP/1.0")).isEqualTo("alice");
      }
      try (Client client = new Client()) {
        assertThat(client.user("/", "")).isEqualTo("nobody");
      }
    }
  }

  @Test
  void nameOfAConnection_isNotTakenFromClients() throws Exception {
    start(application -> application);
    try (Client client = new Client();
        Client another = new Client()) {
      assertThat(client.user("/", "apprxy-client-connection: x\nAuthorization: NTLM alice\n"))
          .isEqualTo("alice");
      assertThat(another.user("/", "apprxy-client-connection: x\n")).isEqualTo("nobody");
    }
  }

  // ---- removal

  @Test
  void credentialsAndOffers_areForwardedAsTheyAre_unlessTheApplicationSaysOtherwise()
      throws Exception {
    start(application -> application);

    String answer =
        gateway.send("GET", "/", ProtectedGateway.SIGNED_IN + "Authorization: Basic YTpi\n");

    assertThat(answer)
        .contains("authorization: Basic YTpi")
        .contains("WWW-Authenticate: NTLM", "WWW-Authenticate: Basic realm=\"x\"");
    assertThat(gateway.signInEvents).isEmpty();
  }

  @Test
  void credentialsAndOffers_areRemoved_andTheOffersAreAnEvent() throws Exception {
    start(application -> application.legacyAuthentication(LegacyAuthentication.REMOVE));

    for (String credentials : List.of("Basic YTpi", "NTLM alice")) {
      String answer =
          gateway.send(
              "GET", "/", ProtectedGateway.SIGNED_IN + "Authorization: " + credentials + "\n");
      assertThat(answer)
          .contains("seen GET /")
          .doesNotContain("authorization: ")
          .contains("Connection-User: nobody", "WWW-Authenticate: Bearer")
          .doesNotContain("NTLM", "Basic");
    }
    assertThat(gateway.send("GET", "/", ProtectedGateway.SIGNED_IN + "Authorization: Bearer x\n"))
        .contains("authorization: Bearer x");
    assertThat(gateway.signInEvents)
        .singleElement()
        .satisfies(
            event -> {
              assertThat(event.kind()).isEqualTo(SignInEvent.Kind.LEGACY_AUTHENTICATION_OFFERED);
              assertThat(event.application()).isEqualTo("app");
              assertThat(event.details()).containsEntry("schemes", "Basic, NTLM");
            });
  }

  /** One connection to the gateway, signed in. */
  private final class Client implements AutoCloseable {
    private final Socket socket;
    private final BufferedReader in;

    Client() throws IOException {
      socket = new Socket(InetAddress.getLoopbackAddress(), gateway.port);
      socket.setSoTimeout(20_000);
      in =
          new BufferedReader(
              new InputStreamReader(socket.getInputStream(), StandardCharsets.ISO_8859_1));
    }

    String user(String path, String headers) throws IOException {
      return user(path, headers, "HTTP/1.1");
    }

    /** Whom the origin takes the request's connection for. */
    String user(String path, String headers, String version) throws IOException {
      String request =
          "GET %s %s\nHost: localhost:%d\n%s%s\n"
              .formatted(path, version, gateway.port, ProtectedGateway.SIGNED_IN, headers);
      socket
          .getOutputStream()
          .write(request.replace("\n", "\r\n").getBytes(StandardCharsets.ISO_8859_1));
      String user = null;
      int length = 0;
      in.readLine();
      for (String line = in.readLine(); !line.isEmpty(); line = in.readLine()) {
        String name = line.substring(0, line.indexOf(':')).toLowerCase(Locale.ROOT);
        String value = line.substring(Math.min(line.length(), name.length() + 2));
        if (name.equals("connection-user")) {
          user = value;
        } else if (name.equals("content-length")) {
          length = Integer.parseInt(value);
        }
      }
      for (int i = 0; i < length; i++) {
        assertThat(in.read()).isNotNegative();
      }
      return user;
    }

    @Override
    public void close() throws IOException {
      socket.close();
    }
  }
}
