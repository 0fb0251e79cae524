package io.apprxy.examples;

import io.undertow.Handlers;
import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.handlers.proxy.LoadBalancingProxyClient;
import io.undertow.server.handlers.proxy.ProxyHandler;
import io.undertow.websockets.core.AbstractReceiveListener;
import io.undertow.websockets.core.BufferedTextMessage;
import io.undertow.websockets.core.WebSocketChannel;
import io.undertow.websockets.core.WebSockets;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Servers of the benchmark that are not apprxy. */
final class BenchmarkServers {
  static final String END_OF_BODY = "the end.";

  private BenchmarkServers() {}

  /** The origin of all contenders: answers at once, and does as little as it can. */
  @Command(name = "origin", hidden = true)
  static final class Origin implements Callable<Integer> {
    @Option(names = "--port")
    private int port;

    private final ByteBuffer small = body(1024);
    private final ByteBuffer large = body(BenchmarkWorkload.LARGE_BYTES);

    @Override
    public Integer call() throws Exception {
      Undertow server =
          Undertow.builder()
              .addHttpListener(port, "127.0.0.1")
              .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, -1L)
              .setHandler(
                  Handlers.path()
                      .addExactPath("/1k", exchange -> send(exchange, small))
                      .addExactPath("/10m", exchange -> send(exchange, large))
                      .addExactPath("/upload", this::receive)
                      .addExactPath(
                          "/echo",
                          Handlers.websocket(
                              (exchange, channel) -> {
                                channel.getReceiveSetter().set(new Echo());
                                channel.resumeReceives();
                              })))
              .build();
      server.start();
      return DemoSetup.serveUntilStopped(server::stop);
    }

    private static ByteBuffer body(int size) {
      ByteBuffer body = ByteBuffer.allocateDirect(size);
      while (body.remaining() > END_OF_BODY.length()) {
        body.put((byte) 'x');
      }
      return body.put(END_OF_BODY.getBytes(StandardCharsets.US_ASCII)).flip();
    }

    private static void send(HttpServerExchange exchange, ByteBuffer body) {
      exchange.setResponseContentLength(body.remaining());
      exchange.getResponseSender().send(body.duplicate());
    }

    private void receive(HttpServerExchange exchange) {
      exchange
          .getRequestReceiver()
          .receivePartialBytes(
              (received, bytes, last) -> {
                if (last) {
                  send(received, small);
                }
              });
    }
  }

  private static final class Echo extends AbstractReceiveListener {
    @Override
    protected void onFullTextMessage(WebSocketChannel channel, BufferedTextMessage message) {
      WebSockets.sendText(message.getData(), channel, null);
    }
  }

  /** Undertow's own reverse proxy. */
  @Command(name = "undertow-process", hidden = true)
  static final class Proxy implements Callable<Integer> {
    @Option(names = "--directory")
    private Path directory = DemoSetup.defaultDirectory();

    @Option(names = "--port")
    private int port;

    @Option(names = "--origin")
    private URI origin = URI.create("http://127.0.0.1/");

    @Override
    public Integer call() throws Exception {
      LoadBalancingProxyClient client =
          new LoadBalancingProxyClient().addHost(origin).setConnectionsPerThread(512);
      Undertow server =
          Undertow.builder()
              .addHttpsListener(port, "127.0.0.1", DemoCertificates.in(directory).server())
              .setServerOption(UndertowOptions.ENABLE_HTTP2, true)
              .setServerOption(UndertowOptions.MAX_ENTITY_SIZE, -1L)
              .setHandler(ProxyHandler.builder().setProxyClient(client).build())
              .build();
      server.start();
      return DemoSetup.serveUntilStopped(server::stop);
    }
  }
}
