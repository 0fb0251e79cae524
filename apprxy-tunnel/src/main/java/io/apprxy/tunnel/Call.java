package io.apprxy.tunnel;

import io.undertow.client.ClientCallback;
import io.undertow.client.ClientConnection;
import io.undertow.client.ClientExchange;
import io.undertow.client.ClientRequest;
import io.undertow.client.http2.Http2ClientConnection;
import io.undertow.connector.ByteBufferPool;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import io.undertow.util.Methods;
import io.undertow.util.StringWriteChannelListener;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.channels.StreamSourceChannel;
import org.xnio.ssl.SslConnection;

/** One request with a JSON body over HTTP/2, and its answer. Confined to an I/O thread. */
final class Call {
  private static final int MAX_ANSWER = 256 * 1024;

  /** The answer to a call. */
  record Answer(int status, String body) {}

  private final CompletableFuture<Answer> answer = new CompletableFuture<>();
  private final ByteArrayOutputStream body = new ByteArrayOutputStream();
  private final String json;

  private Call(String json) {
    this.json = json;
  }

  /**
   * Calls a gateway as an ordinary client, on a connection of its own.
   *
   * @param tls holds for this call
   * @return completes in bounded time; with an {@link IOException} that says what is wrong if there
   *     is no answer
   */
  static CompletableFuture<Answer> post(
      Dialer dialer,
      ByteBufferPool buffers,
      URI gateway,
      SSLContext tls,
      String path,
      String json) {
    return dialer
        .dialAny(gateway, tls, Dialer.HTTP2)
        .thenCompose(
            connection ->
                send(client(connection, buffers, gateway), Methods.POST, path, json)
                    .whenComplete((answered, failed) -> close(connection)));
  }

  private static ClientConnection client(
      SslConnection connection, ByteBufferPool buffers, URI gateway) {
    Http2Channel channel =
        new Http2Channel(connection, null, buffers, null, true, false, OptionMap.EMPTY);
    return new Http2ClientConnection(channel, false, gateway.getRawAuthority(), null, true);
  }

  private static void close(SslConnection connection) {
    connection.getIoThread().execute(() -> IoUtils.safeClose(connection));
  }

  /**
   * Sends one request on a connection that others may share. Any thread.
   *
   * @param json the body; an empty text for none
   * @return completes in bounded time
   */
  static CompletableFuture<Answer> send(
      ClientConnection connection, HttpString method, String path, String json) {
    Call call = new Call(json);
    ClientRequest request = new ClientRequest().setMethod(method).setPath(path);
    request
        .getRequestHeaders()
        .put(Headers.CONTENT_TYPE, "application/json")
        .put(Headers.CONTENT_LENGTH, json.getBytes(StandardCharsets.UTF_8).length);
    connection.getIoThread().execute(() -> connection.sendRequest(request, call.onSent()));
    Duration timeout = Wire.CALL_TIMEOUT;
    return call.answer.orTimeout(timeout.toMillis(), TimeUnit.MILLISECONDS);
  }

  private ClientCallback<ClientExchange> onSent() {
    return new ClientCallback<>() {
      @Override
      public void completed(ClientExchange sent) {
        sent.setResponseListener(onAnswered());
        if (!json.isEmpty()) {
          new StringWriteChannelListener(json).setup(sent.getRequestChannel());
        }
      }

      @Override
      public void failed(IOException e) {
        answer.completeExceptionally(e);
      }
    };
  }

  private ClientCallback<ClientExchange> onAnswered() {
    return new ClientCallback<>() {
      @Override
      public void completed(ClientExchange answered) {
        int status = answered.getResponse().getResponseCode();
        StreamSourceChannel source = answered.getResponseChannel();
        source.getReadSetter().set(channel -> read(channel, status));
        source.resumeReads();
      }

      @Override
      public void failed(IOException e) {
        answer.completeExceptionally(e);
      }
    };
  }

  private void read(StreamSourceChannel source, int status) {
    ByteBuffer some = ByteBuffer.allocate(4 * 1024);
    try {
      for (int count = source.read(some); count != 0; count = source.read(some)) {
        if (count < 0) {
          answer.complete(new Answer(status, body.toString(StandardCharsets.UTF_8)));
          return;
        }
        body.write(some.array(), 0, count);
        some.clear();
        if (body.size() > MAX_ANSWER) {
          throw new IOException("an answer of more than " + MAX_ANSWER + " bytes");
        }
      }
    } catch (IOException e) {
      IoUtils.safeClose(source);
      answer.completeExceptionally(e);
    }
  }
}
