package io.apprxy.forward;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.balance.EndpointState;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpHandler;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;

/**
 * A gateway mounted in an Undertow of its own on a free loopback port, in plain text, in front of
 * one passthrough origin.
 */
final class RunningGateway implements AutoCloseable {
  private final Undertow server;
  private final Gateway gateway;
  final int port;

  RunningGateway(int originPort) {
    this(originPort, application -> application);
  }

  RunningGateway(int originPort, UnaryOperator<Application.Builder> settings) {
    AtomicReference<HttpHandler> mounted = new AtomicReference<>();
    server =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setServerOption(UndertowOptions.DECODE_URL, false)
            .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, -1L)
            .setHandler(exchange -> mounted.get().handleRequest(exchange))
            .build();
    server.start();
    port = ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
    gateway =
        Gateway.builder()
            .publish(
                settings
                    .apply(
                        Application.builder("app")
                            .externalUrl("http://localhost:" + port + "/")
                            .internalUrl("http://127.0.0.1:" + originPort + "/")
                            .passthrough())
                    .build())
            .build();
    mounted.set(gateway.handler());
  }

  List<EndpointState> endpoints() {
    return gateway.endpoints("app");
  }

  /** How the endpoint at this port of the loopback address is doing. */
  EndpointState endpoint(int originPort) {
    return endpoints().stream()
        .filter(state -> state.endpoint().endsWith(":" + originPort))
        .findFirst()
        .orElseThrow();
  }

  String url(String path) {
    return "http://localhost:" + port + path;
  }

  @Override
  public void close() {
    gateway.close();
    server.stop();
  }
}
