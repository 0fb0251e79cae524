package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.Identity;
import io.apprxy.PreAuthentication;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.observe.SignInEvent;
import io.apprxy.tunnel.Connector;
import io.apprxy.tunnel.TunnelServer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;

/** A gateway, a tunnel, and a connector that signs users on to one origin. */
final class SignOnChain implements AutoCloseable {
  /** Where no sign-in is of interest: users are whom their requests name, in this header. */
  static final String USER = "Test-User";

  final DemoCertificates certificates;
  final URI url;
  final HttpClient http;

  /** What the gateway's own log of sign-ins got. */
  final List<SignInEvent> signInEvents = new CopyOnWriteArrayList<>();

  private final Deque<AutoCloseable> running = new ArrayDeque<>();

  SignOnChain(Path directory) throws Exception {
    certificates = DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("certified")));
    url = URI.create("https://localhost:" + DemoSetup.portOrFree(0) + "/");
    http =
        HttpClient.newBuilder()
            .sslContext(certificates.trust())
            .version(HttpClient.Version.HTTP_1_1)
            .build();
  }

  /** For users who are named by their requests, with these claims beside. */
  SignOnChain start(
      String origin,
      SignOn signOn,
      Map<String, Object> claims,
      UnaryOperator<Application.Builder> settings)
      throws Exception {
    return start(origin, signOn, named(claims), settings);
  }

  private static PreAuthentication named(Map<String, Object> claims) {
    return exchange -> {
      String user = String.valueOf(exchange.header(USER));
      Map<String, Object> all = new LinkedHashMap<>(claims);
      all.put("name", user);
      exchange.identify(new Identity("https://idp.test", user, user, Instant.now(), all));
      return Verdict.proceed();
    };
  }

  SignOnChain start(
      String origin,
      SignOn signOn,
      PreAuthentication preAuthentication,
      UnaryOperator<Application.Builder> settings)
      throws Exception {
    TunnelServer tunnel =
        opened(
            TunnelServer.builder()
                .host("127.0.0.1")
                .port(0)
                .tls(certificates.serverKeys())
                .group("corp")
                .build());
    tunnel.start();
    opened(
        Gateway.builder()
            .host("127.0.0.1")
            .port(url.getPort())
            .tls(certificates.server())
            .preAuthentication(preAuthentication)
            .accessPolicy(new AssignmentPolicy())
            .connectors(tunnel)
            .signInLog(signInEvents::add)
            .publish(
                settings
                    .apply(
                        Application.builder("app")
                            .externalUrl(url.toString())
                            .internalUrl(origin)
                            .connectorGroup("corp")
                            .assignEveryone())
                    .build())
            .build()
            .start());
    Connector connector =
        opened(
            Connector.builder()
                .gateway("https://localhost:" + tunnel.port())
                .trust(certificates.ca())
                .enrolmentToken(tunnel.createEnrolmentToken("corp"))
                .allowOrigin(origin)
                .signOn(signOn)
                .build());
    connector.start();
    assertThat(connector.awaitConnected(Duration.ofSeconds(30))).isTrue();
    return this;
  }

  <T extends AutoCloseable> T opened(T part) {
    running.push(part);
    return part;
  }

  /** A request of a user, with headers: names and values in turn. */
  HttpResponse<String> get(String path, String user, String... headers) throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(url.resolve(path))
            .timeout(Duration.ofSeconds(60))
            .header(USER, user);
    List<String> all = List.of(headers);
    for (int i = 0; i < all.size(); i += 2) {
      request.header(all.get(i), all.get(i + 1));
    }
    return http.send(request.build(), BodyHandlers.ofString());
  }

  @Override
  public void close() {
    running.forEach(DemoSetup::closeAll);
  }
}
