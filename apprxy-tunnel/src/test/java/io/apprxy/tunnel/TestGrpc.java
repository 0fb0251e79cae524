package io.apprxy.tunnel;

import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** A gRPC service on a port of its own: HTTP/2 in plain text. */
final class TestGrpc implements AutoCloseable {
  static final Metadata.Key<String> DETAIL =
      Metadata.Key.of("detail", Metadata.ASCII_STRING_MARSHALLER);
  static final Metadata.Key<byte[]> DETAIL_BINARY =
      Metadata.Key.of("detail-bin", Metadata.BINARY_BYTE_MARSHALLER);

  /** Answers the request. */
  static final MethodDescriptor<byte[], byte[]> ECHO = method("Echo", MethodType.UNARY);

  /** Fails with a status and what explains it. */
  static final MethodDescriptor<byte[], byte[]> FAIL = method("Fail", MethodType.UNARY);

  /** Answers nothing, and remembers that it was cancelled. */
  static final MethodDescriptor<byte[], byte[]> HANG = method("Hang", MethodType.UNARY);

  /** Answers the numbers up to the one of the request. */
  static final MethodDescriptor<byte[], byte[]> COUNT =
      method("Count", MethodType.SERVER_STREAMING);

  /** Answers one message, nothing more, and remembers that it was cancelled. */
  static final MethodDescriptor<byte[], byte[]> WATCH =
      method("Watch", MethodType.SERVER_STREAMING);

  /** Answers all requests, one after the other, in one. */
  static final MethodDescriptor<byte[], byte[]> JOIN = method("Join", MethodType.CLIENT_STREAMING);

  /** Answers each request at once. */
  static final MethodDescriptor<byte[], byte[]> CHAT = method("Chat", MethodType.BIDI_STREAMING);

  /** Fails at the first request, while more could come. */
  static final MethodDescriptor<byte[], byte[]> REFUSE =
      method("Refuse", MethodType.BIDI_STREAMING);

  final BlockingQueue<String> cancelled = new LinkedBlockingQueue<>();
  final BlockingQueue<String> begun = new LinkedBlockingQueue<>();
  private final Server server;

  TestGrpc() throws IOException {
    this(NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0)));
  }

  TestGrpc(NettyServerBuilder builder) throws IOException {
    server =
        builder
            .maxInboundMessageSize(64 * 1024 * 1024)
            .addService(
                ServerServiceDefinition.builder("test.Streams")
                    .addMethod(ECHO, ServerCalls.asyncUnaryCall(TestGrpc::answer))
                    .addMethod(FAIL, ServerCalls.asyncUnaryCall((request, to) -> fail(to)))
                    .addMethod(HANG, ServerCalls.asyncUnaryCall((request, to) -> remember("hang")))
                    .addMethod(COUNT, ServerCalls.asyncServerStreamingCall(TestGrpc::count))
                    .addMethod(
                        WATCH,
                        ServerCalls.asyncServerStreamingCall(
                            (request, to) -> {
                              remember("watch");
                              to.onNext(request);
                            }))
                    .addMethod(JOIN, ServerCalls.asyncClientStreamingCall(TestGrpc::join))
                    .addMethod(CHAT, ServerCalls.asyncBidiStreamingCall(this::chat))
                    .addMethod(REFUSE, ServerCalls.asyncBidiStreamingCall(TestGrpc::refuse))
                    .build())
            .build()
            .start();
  }

  int port() {
    return server.getPort();
  }

  /** Says GOAWAY, and ends when what is under way has ended. */
  void drain() {
    server.shutdown();
  }

  @Override
  public void close() {
    server.shutdownNow();
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private void remember(String call) {
    begun.add(call);
    Context.current().addListener(context -> cancelled.add(call), Runnable::run);
  }

  private static void answer(byte[] request, StreamObserver<byte[]> to) {
    to.onNext(request);
    to.onCompleted();
  }

  private static void fail(StreamObserver<byte[]> to) {
    Metadata trailers = new Metadata();
    trailers.put(DETAIL, "not yours");
    trailers.put(DETAIL_BINARY, new byte[] {0, 1, (byte) 0xff});
    to.onError(
        Status.FAILED_PRECONDITION.withDescription("it is \u00fcber").asRuntimeException(trailers));
  }

  private static void count(byte[] request, StreamObserver<byte[]> to) {
    int end = Integer.parseInt(text(request));
    ServerCallStreamObserver<byte[]> ready = (ServerCallStreamObserver<byte[]>) to;
    int[] next = {0};
    ready.setOnReadyHandler(
        () -> {
          while (ready.isReady() && next[0] < end) {
            to.onNext(bytes(Integer.toString(next[0]++)));
          }
          if (next[0] == end) {
            next[0]++;
            to.onCompleted();
          }
        });
  }

  private static StreamObserver<byte[]> join(StreamObserver<byte[]> to) {
    List<String> all = new ArrayList<>();
    return new Requests() {
      @Override
      public void onNext(byte[] request) {
        all.add(text(request));
      }

      @Override
      public void onCompleted() {
        answer(bytes(String.join(",", all)), to);
      }
    };
  }

  private StreamObserver<byte[]> chat(StreamObserver<byte[]> to) {
    return new Requests() {
      @Override
      public void onNext(byte[] request) {
        to.onNext(bytes("re " + text(request)));
      }

      @Override
      public void onError(Throwable cause) {
        cancelled.add("chat");
      }

      @Override
      public void onCompleted() {
        to.onCompleted();
      }
    };
  }

  private static StreamObserver<byte[]> refuse(StreamObserver<byte[]> to) {
    return new Requests() {
      @Override
      public void onNext(byte[] request) {
        to.onError(Status.PERMISSION_DENIED.withDescription("enough").asRuntimeException());
      }

      @Override
      public void onCompleted() {}
    };
  }

  private abstract static class Requests implements StreamObserver<byte[]> {
    @Override
    public void onError(Throwable cause) {}
  }

  private static MethodDescriptor<byte[], byte[]> method(String name, MethodType type) {
    return MethodDescriptor.<byte[], byte[]>newBuilder()
        .setType(type)
        .setFullMethodName("test.Streams/" + name)
        .setRequestMarshaller(new Bytes())
        .setResponseMarshaller(new Bytes())
        .build();
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
