package io.apprxy.tunnel;

import static io.apprxy.tunnel.TestGrpc.bytes;
import static io.apprxy.tunnel.TestGrpc.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.apprxy.Application;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Calls of a real gRPC client to a real gRPC server: HTTP/2 from end to end, with trailers. */
@Timeout(120)
class GrpcIT {
  private final List<AutoCloseable> parts = new ArrayList<>();

  enum Way {
    DIRECT,
    TUNNEL
  }

  @AfterEach
  void close() throws Exception {
    for (int i = parts.size() - 1; i >= 0; i--) {
      parts.get(i).close();
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void unaryCall_isAnswered(Way way) throws Exception {
    ManagedChannel channel = channel(way, serve());
    for (int i = 0; i < 300; i++) {
      assertThat(text(unary(channel, TestGrpc.ECHO, bytes("call " + i)))).isEqualTo("call " + i);
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void largeMessages_arriveIntact(Way way) throws Exception {
    ManagedChannel channel = channel(way, serve());
    byte[] message = new byte[8 * 1024 * 1024];
    new Random(1).nextBytes(message);
    assertThat(unary(channel, TestGrpc.ECHO, message)).isEqualTo(message);
    byte[] empty = unary(channel, TestGrpc.ECHO, new byte[0]);
    assertThat(empty).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void serverStream_arrivesInOrder_andEnds(Way way) throws Exception {
    Iterator<byte[]> answers =
        ClientCalls.blockingServerStreamingCall(
            channel(way, serve()), TestGrpc.COUNT, options(), bytes("20000"));
    for (int i = 0; i < 20_000; i++) {
      assertThat(text(answers.next())).isEqualTo(Integer.toString(i));
    }
    assertThat(answers.hasNext()).isFalse();
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void clientStream_isAnsweredWhenItEnds(Way way) throws Exception {
    Answers answers = new Answers();
    StreamObserver<byte[]> requests =
        ClientCalls.asyncClientStreamingCall(
            channel(way, serve()).newCall(TestGrpc.JOIN, options()), answers);
    for (int i = 0; i < 1_000; i++) {
      requests.onNext(bytes("" + i));
    }
    requests.onCompleted();
    assertThat(answers.take()).startsWith("0,1,2,").endsWith(",998,999");
    assertThat(answers.take()).isEqualTo("completed");
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void bidirectionalStream_isAnsweredMessageByMessage(Way way) throws Exception {
    Answers answers = new Answers();
    StreamObserver<byte[]> requests =
        ClientCalls.asyncBidiStreamingCall(
            channel(way, serve()).newCall(TestGrpc.CHAT, options()), answers);
    for (int i = 0; i < 200; i++) {
      requests.onNext(bytes("message " + i));
      assertThat(answers.take()).isEqualTo("re message " + i);
    }
    requests.onCompleted();
    assertThat(answers.take()).isEqualTo("completed");
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void failure_arrivesWithStatus_description_andMetadata(Way way) throws Exception {
    ManagedChannel channel = channel(way, serve());
    StatusRuntimeException failed = fail(channel, TestGrpc.FAIL, options());
    assertThat(failed.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
    assertThat(failed.getStatus().getDescription()).isEqualTo("it is \u00fcber");
    Metadata trailers = failed.getTrailers();
    assertThat(trailers.get(TestGrpc.DETAIL)).isEqualTo("not yours");
    assertThat(trailers.get(TestGrpc.DETAIL_BINARY)).containsExactly(0, 1, 0xff);
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void failureWhileMoreCouldCome_arrives(Way way) throws Exception {
    ManagedChannel channel = channel(way, serve());
    for (int i = 0; i < 20; i++) {
      Answers answers = new Answers();
      StreamObserver<byte[]> requests =
          ClientCalls.asyncBidiStreamingCall(channel.newCall(TestGrpc.REFUSE, options()), answers);
      requests.onNext(bytes("one"));
      assertThat(answers.take()).isEqualTo("PERMISSION_DENIED: enough");
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void deadline_reachesTheServer(Way way) throws Exception {
    TestGrpc server = serve();
    ManagedChannel channel = channel(way, server);
    unary(channel, TestGrpc.ECHO, bytes("warm"));
    StatusRuntimeException failed =
        fail(channel, TestGrpc.HANG, options().withDeadlineAfter(2, TimeUnit.SECONDS));
    assertThat(failed.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
    assertThat(server.cancelled.poll(30, TimeUnit.SECONDS)).isEqualTo("hang");
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void cancelledCall_reachesTheServer_beforeItsFirstAnswer(Way way) throws Exception {
    TestGrpc server = serve();
    Future<byte[]> call =
        ClientCalls.futureUnaryCall(
            channel(way, server).newCall(TestGrpc.HANG, options()), bytes("x"));
    assertThat(server.begun.poll(30, TimeUnit.SECONDS)).isEqualTo("hang");
    call.cancel(true);
    assertThat(server.cancelled.poll(30, TimeUnit.SECONDS)).isEqualTo("hang");
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void cancelledStream_reachesTheServer_thatHasNothingToSay(Way way) throws Exception {
    TestGrpc server = serve();
    io.grpc.Context.CancellableContext context = io.grpc.Context.current().withCancellation();
    ManagedChannel channel = channel(way, server);
    Iterator<byte[]> answers =
        context.call(
            () ->
                ClientCalls.blockingServerStreamingCall(
                    channel, TestGrpc.WATCH, options(), bytes("first")));
    assertThat(text(answers.next())).isEqualTo("first");
    context.cancel(null);
    assertThat(server.cancelled.poll(30, TimeUnit.SECONDS)).isEqualTo("watch");
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void callsThatWereCancelled_leaveOthersAlone(Way way) throws Exception {
    TestGrpc server = serve();
    ManagedChannel channel = channel(way, server);
    Answers answers = new Answers();
    StreamObserver<byte[]> chat =
        ClientCalls.asyncBidiStreamingCall(channel.newCall(TestGrpc.CHAT, options()), answers);
    for (int i = 0; i < 50; i++) {
      Future<byte[]> call =
          ClientCalls.futureUnaryCall(channel.newCall(TestGrpc.HANG, options()), bytes("x"));
      assertThat(server.begun.poll(30, TimeUnit.SECONDS)).isEqualTo("hang");
      call.cancel(true);
      chat.onNext(bytes("still"));
      assertThat(answers.take()).isEqualTo("re still");
      assertThat(server.cancelled.poll(30, TimeUnit.SECONDS)).isEqualTo("hang");
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void callsBeyondWhatAConnectionTakes_getAnother(Way way) throws Exception {
    TestGrpc server =
        serve(
            NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
                .maxConcurrentCallsPerConnection(5));
    ManagedChannel channel = channel(way, server);
    List<Answers> all = new ArrayList<>();
    List<StreamObserver<byte[]>> chats = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      Answers answers = new Answers();
      chats.add(
          ClientCalls.asyncBidiStreamingCall(channel.newCall(TestGrpc.CHAT, options()), answers));
      all.add(answers);
    }
    for (int i = 0; i < 20; i++) {
      chats.get(i).onNext(bytes("n" + i));
      assertThat(all.get(i).take()).isEqualTo("re n" + i);
      chats.get(i).onCompleted();
      assertThat(all.get(i).take()).isEqualTo("completed");
    }
  }

  /** The server says GOAWAY, and answers what it has begun. */
  @ParameterizedTest
  @EnumSource(Way.class)
  void serverThatLeaves_finishesWhatItHasBegun(Way way) throws Exception {
    TestGrpc server = serve();
    ManagedChannel channel = channel(way, server);
    Answers answers = new Answers();
    StreamObserver<byte[]> chat =
        ClientCalls.asyncBidiStreamingCall(channel.newCall(TestGrpc.CHAT, options()), answers);
    chat.onNext(bytes("before"));
    assertThat(answers.take()).isEqualTo("re before");
    server.drain();
    for (int i = 0; i < 50; i++) {
      chat.onNext(bytes("after " + i));
      assertThat(answers.take()).isEqualTo("re after " + i);
    }
    chat.onCompleted();
    assertThat(answers.take()).isEqualTo("completed");
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void serverThatIsNotThere_isUnavailable(Way way) throws Exception {
    TestGrpc server = serve();
    ManagedChannel channel = channel(way, server);
    server.close();
    assertThat(fail(channel, TestGrpc.ECHO, options()).getStatus().getCode())
        .isEqualTo(Status.Code.UNAVAILABLE);
  }

  // ---- parts

  private TestGrpc serve() throws Exception {
    TestGrpc server = new TestGrpc();
    parts.add(server);
    return server;
  }

  private TestGrpc serve(NettyServerBuilder builder) throws Exception {
    TestGrpc server = new TestGrpc(builder);
    parts.add(server);
    return server;
  }

  private ManagedChannel channel(Way way, TestGrpc server) throws Exception {
    Chain chain =
        new Chain(
            server.port(),
            application ->
                (way == Way.DIRECT ? application.connectorGroups() : application)
                    .originProtocol(Application.OriginProtocol.HTTP_2));
    parts.add(chain);
    if (way == Way.TUNNEL) {
      chain.connect(server.port());
    }
    ManagedChannel channel =
        NettyChannelBuilder.forAddress("localhost", chain.tlsPort)
            .overrideAuthority("app.test")
            .sslContext(GrpcSslContexts.forClient().trustManager(chain.tls.ca()).build())
            .maxInboundMessageSize(64 * 1024 * 1024)
            .disableRetry()
            .build();
    parts.add(channel::shutdownNow);
    return channel;
  }

  private static CallOptions options() {
    return CallOptions.DEFAULT.withDeadlineAfter(60, TimeUnit.SECONDS);
  }

  private static byte[] unary(
      ManagedChannel channel, io.grpc.MethodDescriptor<byte[], byte[]> method, byte[] request) {
    return ClientCalls.blockingUnaryCall(channel, method, options(), request);
  }

  private static StatusRuntimeException fail(
      ManagedChannel channel,
      io.grpc.MethodDescriptor<byte[], byte[]> method,
      CallOptions options) {
    return catchThrowableOfType(
        StatusRuntimeException.class,
        () -> ClientCalls.blockingUnaryCall(channel, method, options, bytes("x")));
  }

  /** What a call was answered with, in order. */
  private static final class Answers implements StreamObserver<byte[]> {
    private final BlockingQueue<String> all = new LinkedBlockingQueue<>();

    String take() throws InterruptedException {
      return all.poll(30, TimeUnit.SECONDS);
    }

    @Override
    public void onNext(byte[] answer) {
      all.add(text(answer));
    }

    @Override
    public void onError(Throwable cause) {
      Status status = Status.fromThrowable(cause);
      all.add(status.getCode() + ": " + status.getDescription());
    }

    @Override
    public void onCompleted() {
      all.add("completed");
    }
  }
}
