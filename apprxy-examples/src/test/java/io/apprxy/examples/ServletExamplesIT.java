package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpServer;
import io.apprxy.Application;
import io.apprxy.Identity;
import io.apprxy.auth.sso.SignedAssertions;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.apache.catalina.startup.Tomcat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The examples of servlet applications, as their users try them. */
@Timeout(120)
class ServletExamplesIT {
  private static final DemoProvider.User ALICE = DemoProvider.USERS.get(0);
  private static final DemoProvider.User BOB = DemoProvider.USERS.get(1);

  @TempDir private static Path directory;

  @Test
  void applicationOnTomcat_signsItsUsersIn() throws Exception {
    DemoCertificates certificates = DemoCertificates.in(directory);
    URI url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    DemoProvider.Client client =
        DemoProvider.Client.gateway("tomcat", "no secret, but a demo", url);
    try (DemoProvider provider = DemoProvider.start(0, certificates.server(), client)) {
      Tomcat tomcat = TomcatExample.start(url, provider.issuer(), certificates);
      try {
        assertThat(open(certificates, url, ALICE).body()).contains("Hello, alice", "Staff: yes");
        assertThat(open(certificates, url, BOB).statusCode()).isEqualTo(403);
      } finally {
        TomcatExample.stop(tomcat);
      }
    }
  }

  @Test
  void applicationOnJetty_publishesItself_withoutAPortToTheNetwork() throws Exception {
    DemoCertificates certificates = DemoCertificates.in(directory);
    URI url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    try (JettyExample example = new JettyExample()) {
      URI origin = example.start(url, 0, certificates);

      assertThat(open(certificates, url, ALICE).body()).contains("Hello, alice", "Staff: yes");
      assertThat(open(certificates, url, BOB).statusCode()).isEqualTo(403);

      HttpResponse<String> direct = direct(origin, "X-Apprxy-Assertion", "made up");
      assertThat(direct.statusCode()).isEqualTo(403);
      assertThat(direct.body()).contains("APX-505");
      for (InetAddress address : otherAddresses()) {
        assertThatThrownBy(() -> new Socket(address, origin.getPort()).close())
            .isInstanceOf(ConnectException.class);
      }
    }
  }

  @Test
  void webXml_protectsAnApplicationWithoutCode() throws Exception {
    SignedAssertions signer =
        SignedAssertions.builder().issuer("https://gateway.example.com").build();
    HttpServer gateway =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    gateway.createContext(
        "/.apprxy/jwks.json",
        exchange -> {
          byte[] body = signer.publicKeys().getBytes(StandardCharsets.UTF_8);
          exchange.sendResponseHeaders(200, body.length);
          exchange.getResponseBody().write(body);
          exchange.close();
        });
    gateway.start();
    Path site = directory.resolve("site");
    Files.createDirectories(site.resolve("WEB-INF"));
    Files.writeString(
        site.resolve("WEB-INF/web.xml"),
        Files.readString(Path.of("src/main/webapp/WEB-INF/web.xml"))
            .replace(
                "https://wiki.example.com", "http://127.0.0.1:" + gateway.getAddress().getPort()));
    Files.writeString(site.resolve("page.txt"), "the page");
    Tomcat tomcat = new Tomcat();
    tomcat.setBaseDir(directory.resolve("base").toString());
    tomcat.setPort(0);
    tomcat.getConnector().setProperty("address", "127.0.0.1");
    tomcat.addWebapp("", site.toString()).setParentClassLoader(getClass().getClassLoader());
    tomcat.start();
    try {
      URI page =
          URI.create("http://127.0.0.1:" + tomcat.getConnector().getLocalPort() + "/page.txt");
      Identity alice = new Identity("https://idp.test", "a-1", "s-1", Instant.EPOCH, Map.of());
      Application wiki =
          Application.builder("wiki")
              .externalUrl("https://wiki.example.com/")
              .internalUrl("http://wiki.corp/")
              .assignEveryone()
              .signedAssertion()
              .build();
      assertThat(direct(page, "X-User", "alice").statusCode()).isEqualTo(403);
      assertThat(direct(page, "X-Apprxy-Assertion", signer.sign(alice, wiki)).body())
          .isEqualTo("the page");
    } finally {
      TomcatExample.stop(tomcat);
      gateway.stop(0);
    }
  }

  private static HttpResponse<String> open(
      DemoCertificates certificates, URI url, DemoProvider.User user) throws Exception {
    return new DemoBrowser(certificates.trust()).signIn(url, user, false);
  }

  private static HttpResponse<String> direct(URI url, String header, String value)
      throws Exception {
    return HttpClient.newHttpClient()
        .send(HttpRequest.newBuilder(url).header(header, value).build(), BodyHandlers.ofString());
  }

  /** Those by which others reach this machine, if it has any. */
  private static List<InetAddress> otherAddresses() throws Exception {
    return NetworkInterface.networkInterfaces()
        .flatMap(NetworkInterface::inetAddresses)
        .filter(address -> !address.isLoopbackAddress() && !address.isLinkLocalAddress())
        .toList();
  }
}
