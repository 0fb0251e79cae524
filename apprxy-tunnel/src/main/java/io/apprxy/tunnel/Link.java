package io.apprxy.tunnel;

import io.apprxy.forward.CertificateCheck;
import io.apprxy.forward.SharedChannel;
import io.undertow.client.ClientCallback;
import io.undertow.client.ClientConnection;
import io.undertow.client.ClientExchange;
import io.undertow.client.ClientRequest;
import io.undertow.client.ClientResponse;
import io.undertow.client.UndertowClient;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.server.protocol.http2.Http2ReceiveListener;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.net.URI;
import java.time.Duration;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.StreamConnection;
import org.xnio.XnioExecutor;
import org.xnio.XnioIoThread;

/**
 * One connection to one gateway, kept up: dial, turn around, serve, and when it ends wait and dial
 * again. All state belongs to its I/O thread.
 */
final class Link {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.connector");
  private static final Duration FIRST_WAIT = Duration.ofMillis(250);
  private static final Duration LONGEST_WAIT = Duration.ofSeconds(30);

  /** A gateway that refuses us will hardly think better of it soon. */
  private static final Duration REFUSED_WAIT = Duration.ofSeconds(20);

  private final URI gateway;
  private final Connector connector;
  private final XnioIoThread thread;
  private final Backoff backoff =
      new Backoff(FIRST_WAIT, LONGEST_WAIT, ThreadLocalRandom.current());
  private @Nullable Http2Channel channel;
  private boolean serving;
  private boolean stopped;
  private boolean failed;
  private int attempt;

  Link(URI gateway, Connector connector, XnioIoThread thread) {
    this.gateway = gateway;
    this.connector = connector;
    this.thread = thread;
  }

  void start() {
    thread.execute(this::dial);
  }

  /** Dials no more; an open connection goes on until the gateway closes it, or {@link #close}. */
  void stop() {
    thread.execute(() -> stopped = true);
  }

  void close() {
    thread.execute(
        () -> {
          stopped = true;
          IoUtils.safeClose(channel);
        });
  }

  private void dial() {
    if (stopped) {
      return;
    }
    Dial dial = new Dial(++attempt);
    connector.resolve(
        gateway,
        failed,
        thread,
        () ->
            UndertowClient.getInstance()
                .connect(
                    dial, gateway, thread, connector.tls(), connector.buffers(), OptionMap.EMPTY),
        dial::failed);
  }

  /** One attempt, which ends once, whatever happens how often. */
  private final class Dial implements ClientCallback<ClientConnection> {
    private final int number;
    private final XnioExecutor.Key timeout;
    private @Nullable ClientConnection connection;

    Dial(int number) {
      this.number = number;
      this.timeout =
          thread.executeAfter(
              () -> failed(new SocketTimeoutException("no answer in " + Wire.DIAL_TIMEOUT)),
              Wire.DIAL_TIMEOUT.toMillis(),
              TimeUnit.MILLISECONDS);
    }

    private boolean isOver() {
      return number != attempt || serving;
    }

    @Override
    public void completed(ClientConnection opened) {
      if (isOver() || stopped) {
        IoUtils.safeClose(opened);
        return;
      }
      connection = opened;
      opened.sendRequest(
          request(),
          new ClientCallback<>() {
            @Override
            public void completed(ClientExchange sent) {
              sent.setResponseListener(onResponse());
            }

            @Override
            public void failed(IOException e) {
              Dial.this.failed(e);
            }
          });
    }

    private ClientRequest request() {
      ClientRequest request = new ClientRequest().setMethod(Methods.GET).setPath(Wire.CONNECT_PATH);
      connector.identify(request.getRequestHeaders(), gateway);
      request
          .getRequestHeaders()
          .put(Headers.CONNECTION, "Upgrade")
          .put(Headers.UPGRADE, Wire.PTTH)
          .put(Wire.ALPN, "h2");
      return request;
    }

    private ClientCallback<ClientExchange> onResponse() {
      return new ClientCallback<>() {
        @Override
        public void completed(ClientExchange answered) {
          turnAround(answered);
        }

        @Override
        public void failed(IOException e) {
          Dial.this.failed(e);
        }
      };
    }

    private void turnAround(ClientExchange answered) {
      ClientResponse response = answered.getResponse();
      if (isOver()) {
        IoUtils.safeClose(connection);
      } else if (response.getResponseCode() != 101) {
        refused(response.getResponseCode());
      } else {
        try {
          StreamConnection stream = answered.getConnection().performUpgrade();
          timeout.remove();
          serve(stream);
        } catch (IOException e) {
          failed(e);
        }
      }
    }

    private void refused(int status) {
      if (status == 401) {
        connector.trouble(
            "gateway %s does not accept the enrolment token: give this connector the token of its group"
                .formatted(gateway));
      } else {
        connector.trouble(
            "gateway %s answered %d; is it the tunnel's port?".formatted(gateway, status));
      }
      again(status == 503 ? backoff.next() : REFUSED_WAIT);
    }

    @Override
    public void failed(IOException e) {
      if (isOver()) {
        return;
      }
      connector.trouble(
          CertificateCheck.isAboutCertificate(e)
              ? "the certificate of gateway %s is not trusted: renew it, or give its CA to trust(…): %s"
                  .formatted(gateway, e)
              : "gateway %s cannot be reached: %s".formatted(gateway, e));
      again(backoff.next());
    }

    private void again(Duration wait) {
      failed = true;
      timeout.remove();
      IoUtils.safeClose(connection);
      redial(wait);
    }
  }

  private void redial(Duration wait) {
    if (!stopped) {
      attempt++;
      try {
        thread.executeAfter(this::dial, wait.toMillis(), TimeUnit.MILLISECONDS);
      } catch (RejectedExecutionException e) {
        LOG.debug("the connector is closing", e);
      }
    }
  }

  /**
   * From here on the gateway is the client (draft-kazuho-ptth-ptth): it sends the preface, and
   * requests.
   */
  private void serve(StreamConnection stream) throws IOException {
    serving = true;
    SharedChannel http2 = SharedChannel.open(stream, connector.buffers(), null, false, Wire.HTTP2);
    channel = http2;
    http2.setIdleTimeout(Wire.SILENCE.toMillis());
    http2.addCloseTask(closed -> thread.execute(this::ended));
    http2
        .getReceiveSetter()
        .set(
            new Http2ReceiveListener(
                http2.watching(connector.handler(new Orders())),
                Wire.HTTP2,
                connector.bufferSize(),
                null));
    http2.resumeReceives();
  }

  /** What the gateway tells, beside requests. */
  private final class Orders implements ConnectorHandler.Orders {
    /** We know what to serve: now, and not before, the connection is of use. */
    @Override
    public void configured() {
      backoff.reset();
      failed = false;
      connector.connected(Link.this);
    }

    @Override
    public void replace() {
      stopped = true;
      connector.dialAnother(gateway);
    }
  }

  private void ended() {
    serving = false;
    channel = null;
    connector.disconnected(this, stopped);
    redial(backoff.next());
  }
}
