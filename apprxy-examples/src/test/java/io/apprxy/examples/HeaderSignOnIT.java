package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.ClaimSource;
import io.apprxy.ClaimsTransformation.ExtractMailPrefix;
import io.apprxy.ClaimsTransformation.Filter;
import io.apprxy.ClaimsTransformation.IfEmpty;
import io.apprxy.ClaimsTransformation.Join;
import io.apprxy.ClaimsTransformation.Regex;
import io.apprxy.ClaimsTransformation.ToLowercase;
import io.apprxy.HeaderMapping;
import io.apprxy.auth.sso.HeaderSignOn;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.ServerCalls;
import io.undertow.Handlers;
import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.HeaderValues;
import io.undertow.websockets.core.WebSockets;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Identity headers, from the gateway through the tunnel to an origin, on each kind of request. */
@Timeout(120)
class HeaderSignOnIT {
  private static final Map<String, Object> CLAIMS =
      Map.of("email", "Alice@Example.com", "groups", List.of("wiki-readers", "staff", "wiki-öl"));

  /** What the origin is to see, and nothing else of these names. */
  private static final Map<String, List<String>> SEEN =
      Map.of(
          "x-user", List.of("alice@corp.test"),
          "x-group", List.of("wiki-readers", "UTF-8''wiki-%C3%B6l"),
          "x-realm", List.of("corp"),
          "x-account", List.of("Alice@Example.com"));

  @TempDir private Path directory;
  private SignOnChain chain;

  @BeforeEach
  void prepare() throws Exception {
    chain = new SignOnChain(directory);
  }

  @AfterEach
  void stop() {
    chain.close();
  }

  private void start(String origin, Application.OriginProtocol protocol) throws Exception {
    chain.start(
        origin,
        new HeaderSignOn(),
        CLAIMS,
        application ->
            application
                .originProtocol(protocol)
                .passthroughPath("/open", "GET")
                .headerSignOn(
                    HeaderMapping.of("X-User", "email")
                        .transform(
                            new ExtractMailPrefix(),
                            new ToLowercase(),
                            new Join("@", ClaimSource.constant("corp.test"))),
                    HeaderMapping.of("X-Group", "groups")
                        .transform(new Filter(Regex.of("wiki-.*")))
                        .inSeveralHeaders(),
                    HeaderMapping.constant("X-Realm", "corp"),
                    HeaderMapping.of("X-Account", "upn")
                        .transform(new IfEmpty(ClaimSource.claim("email")))
                        .require(),
                    HeaderMapping.of("X-Missing", "missing")));
  }

  @Test
  void plainRequest_tellsWhoItIs_andNothingThatTheClientSays() throws Exception {
    start(origin(), Application.OriginProtocol.HTTP_1_1);

    assertThat(
            chain
                .get(
                    "/",
                    "alice",
                    "X-User",
                    "mallory",
                    "x_group",
                    "admins",
                    "X-GROUP",
                    "admins",
                    "X.Realm",
                    "evil",
                    "X-Missing",
                    "something")
                .body())
        .isEqualTo(text(SEEN));
  }

  @Test
  void requestThatPassesThrough_tellsNobody() throws Exception {
    start(origin(), Application.OriginProtocol.HTTP_1_1);

    assertThat(chain.get("/open", "alice", "X-User", "mallory").body()).isEqualTo("{}");
  }

  @Test
  void handshakeOfAWebSocket_tellsWhoItIs() throws Exception {
    start(origin(), Application.OriginProtocol.HTTP_1_1);
    CompletableFuture<String> heard = new CompletableFuture<>();

    WebSocket socket =
        chain
            .http
            .newWebSocketBuilder()
            .header(SignOnChain.USER, "alice")
            .header("X-User", "mallory")
            .buildAsync(
                URI.create("wss://localhost:" + chain.url.getPort() + "/ws"),
                new WebSocket.Listener() {
                  @Override
                  public CompletionStage<?> onText(WebSocket from, CharSequence text, boolean end) {
                    heard.complete(text.toString());
                    return null;
                  }

                  @Override
                  public void onError(WebSocket from, Throwable error) {
                    heard.completeExceptionally(error);
                  }
                })
            .get(30, TimeUnit.SECONDS);

    assertThat(heard.get(30, TimeUnit.SECONDS)).isEqualTo(text(SEEN));
    socket.abort();
  }

  @Test
  void callOfGrpc_tellsWhoItIs() throws Exception {
    Server server = GrpcHeaders.start();
    chain.opened(server::shutdownNow);
    start("http://127.0.0.1:" + server.getPort() + "/", Application.OriginProtocol.HTTP_2);
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("localhost", chain.url.getPort())
            .sslContext(
                GrpcSslContexts.forClient()
                    .trustManager(chain.certificates.caFile().toFile())
                    .build())
            .disableRetry()
            .build();
    chain.opened(channel::shutdownNow);
    Metadata sent = new Metadata();
    sent.put(GrpcHeaders.key(SignOnChain.USER), "alice");
    sent.put(GrpcHeaders.key("X-User"), "mallory");
    sent.put(GrpcHeaders.key("x_user"), "mallory");

    byte[] seen =
        ClientCalls.blockingUnaryCall(
            io.grpc.ClientInterceptors.intercept(
                channel, MetadataUtils.newAttachHeadersInterceptor(sent)),
            GrpcHeaders.METHOD,
            CallOptions.DEFAULT.withDeadlineAfter(60, TimeUnit.SECONDS),
            new byte[0]);

    assertThat(new String(seen, StandardCharsets.UTF_8)).isEqualTo(text(SEEN));
  }

  // ---- origins that tell which headers they saw

  private static boolean isAsked(String name) {
    return name.matches("(?i)x[-_.](user|group|realm|account|missing)");
  }

  private static String text(Map<String, List<String>> headers) {
    return new TreeMap<>(headers).toString();
  }

  private String origin() {
    Undertow server =
        Undertow.builder()
            .addHttpListener(0, "127.0.0.1")
            .setHandler(
                Handlers.path(exchange -> exchange.getResponseSender().send(seen(exchange)))
                    .addExactPath(
                        "/ws",
                        Handlers.websocket(
                            (handshake, channel) -> {
                              Map<String, List<String>> headers = new TreeMap<>();
                              handshake
                                  .getRequestHeaders()
                                  .forEach(
                                      (name, values) -> {
                                        if (isAsked(name)) {
                                          headers.put(name.toLowerCase(Locale.ROOT), values);
                                        }
                                      });
                              WebSockets.sendText(text(headers), channel, null);
                            })))
            .build();
    server.start();
    chain.opened(server::stop);
    int port = ((InetSocketAddress) server.getListenerInfo().get(0).getAddress()).getPort();
    return "http://127.0.0.1:" + port + "/";
  }

  private static String seen(HttpServerExchange exchange) {
    Map<String, List<String>> headers = new TreeMap<>();
    for (HeaderValues header : exchange.getRequestHeaders()) {
      String name = header.getHeaderName().toString();
      if (isAsked(name)) {
        headers.put(name.toLowerCase(Locale.ROOT), List.copyOf(header));
      }
    }
    return text(headers);
  }

  /** A gRPC service that answers with the headers of the call. */
  private static final class GrpcHeaders {
    static final MethodDescriptor<byte[], byte[]> METHOD =
        MethodDescriptor.<byte[], byte[]>newBuilder()
            .setType(MethodDescriptor.MethodType.UNARY)
            .setFullMethodName("test.Headers/Seen")
            .setRequestMarshaller(new Bytes())
            .setResponseMarshaller(new Bytes())
            .build();

    private static final io.grpc.Context.Key<String> SEEN = io.grpc.Context.key("seen");

    static Metadata.Key<String> key(String name) {
      return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    }

    static Server start() throws IOException {
      ServerServiceDefinition service =
          ServerServiceDefinition.builder("test.Headers")
              .addMethod(
                  METHOD,
                  ServerCalls.asyncUnaryCall(
                      (request, to) -> {
                        to.onNext(SEEN.get().getBytes(StandardCharsets.UTF_8));
                        to.onCompleted();
                      }))
              .build();
      return NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
          .addService(ServerInterceptors.intercept(service, new Reading()))
          .build()
          .start();
    }

    private static final class Reading implements ServerInterceptor {
      @Override
      public <A, B> ServerCall.Listener<A> interceptCall(
          ServerCall<A, B> call, Metadata headers, ServerCallHandler<A, B> next) {
        Map<String, List<String>> seen = new TreeMap<>();
        for (String name : headers.keys()) {
          if (isAsked(name)) {
            List<String> values = new java.util.ArrayList<>();
            headers.getAll(key(name)).forEach(values::add);
            seen.put(name, values);
          }
        }
        return io.grpc.Contexts.interceptCall(
            io.grpc.Context.current().withValue(SEEN, text(seen)), call, headers, next);
      }
    }

    private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
      @Override
      public InputStream stream(byte[] value) {
        return new ByteArrayInputStream(value);
      }

      @Override
      public byte[] parse(InputStream stream) {
        try {
          return stream.readAllBytes();
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    }
  }
}
