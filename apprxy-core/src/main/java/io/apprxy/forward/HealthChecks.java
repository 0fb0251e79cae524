package io.apprxy.forward;

import io.apprxy.Application.OriginProtocol;
import io.apprxy.LoadBalancing.HealthCheck;
import io.apprxy.balance.Balancer;
import io.apprxy.forward.OriginInstances.Instance;
import io.undertow.client.ClientCallback;
import io.undertow.client.ClientConnection;
import io.undertow.client.ClientExchange;
import io.undertow.client.ClientRequest;
import io.undertow.client.UndertowClient;
import io.undertow.connector.ByteBufferPool;
import io.undertow.protocols.ssl.UndertowXnioSsl;
import io.undertow.server.DefaultByteBufferPool;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import java.io.IOException;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Objects;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.OptionMap;
import org.xnio.XnioExecutor;
import org.xnio.XnioIoThread;
import org.xnio.XnioWorker;

/**
 * Asks the instances of an application how they are, each on a new connection every time, so that
 * what is checked is what a new request would meet. Thread-safe; all of a check runs on one I/O
 * thread.
 */
final class HealthChecks implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.balance");

  private final HealthCheck settings;
  private final OriginProtocol protocol;
  private final String hostHeader;
  private final UndertowXnioSsl tls;
  private final Balancer<Instance> balancer;
  private final XnioWorker worker;
  private final XnioIoThread thread;
  private final ByteBufferPool buffers = new DefaultByteBufferPool(true, 16 * 1024, 8, 0);
  private volatile boolean closed;

  HealthChecks(
      HealthCheck settings,
      OriginProtocol protocol,
      String hostHeader,
      UndertowXnioSsl tls,
      Balancer<Instance> balancer) {
    this.settings = settings;
    this.protocol = protocol;
    this.hostHeader = hostHeader;
    this.tls = tls;
    this.balancer = balancer;
    this.worker = IoThreads.acquire();
    this.thread = worker.getIoThread();
  }

  /** Checks an instance from now on. */
  void begin(Instance instance) {
    onThread(() -> check(instance));
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      IoThreads.release();
    }
  }

  private void onThread(Runnable task) {
    try {
      thread.execute(task);
    } catch (RejectedExecutionException e) {
      LOG.debug("a health check ends with its thread", e);
    }
  }

  private void check(Instance instance) {
    if (!closed) {
      new Check(instance).begin();
    }
  }

  /** After a pause that is not the same for all, or many gateways would ask at the same time. */
  private void checkLater(Instance instance) {
    long pause = settings.interval().toMillis();
    long jitter = ThreadLocalRandom.current().nextLong(pause / 10 + 1);
    if (!closed) {
      thread.executeAfter(() -> check(instance), pause + jitter, TimeUnit.MILLISECONDS);
    }
  }

  private final class Check implements ClientCallback<ClientConnection> {
    private final Instance instance;
    private XnioExecutor.@Nullable Key timeout;
    private @Nullable ClientConnection connection;
    private boolean over;

    Check(Instance instance) {
      this.instance = instance;
    }

    void begin() {
      timeout =
          thread.executeAfter(
              () -> end(false, "no answer in " + settings.timeout()),
              settings.timeout().toMillis(),
              TimeUnit.MILLISECONDS);
      try {
        worker.execute(this::resolve);
      } catch (RejectedExecutionException e) {
        LOG.debug("the process ends", e);
      }
    }

    /** May block, so it is done by a worker; it fills the JDK's cache. */
    private void resolve() {
      try {
        InetAddress.getByName(instance.origin().getHost());
        onThread(this::connect);
      } catch (UnknownHostException e) {
        failed(e);
      }
    }

    private void connect() {
      boolean secure = instance.origin().getScheme().equals("https");
      URI address =
          protocol == OriginProtocol.HTTP_2
              ? URI.create(
                  (secure ? "h2://" : "h2c-prior://") + instance.origin().getRawAuthority())
              : instance.origin();
      try {
        UndertowClient.getInstance()
            .connect(this, address, thread, secure ? tls : null, buffers, OptionMap.EMPTY);
      } catch (RuntimeException e) {
        failed(new IOException(e));
      }
    }

    @Override
    public void completed(ClientConnection opened) {
      onThread(() -> ask(opened));
    }

    private void ask(ClientConnection opened) {
      if (over) {
        IoUtils.safeClose(opened);
        return;
      }
      connection = opened;
      ClientRequest request = new ClientRequest().setMethod(Methods.GET).setPath(settings.path());
      request
          .getRequestHeaders()
          .put(Headers.HOST, hostHeader)
          .put(Headers.USER_AGENT, "apprxy-health-check");
      if (protocol == OriginProtocol.HTTP_1_1) {
        request.getRequestHeaders().put(Headers.CONNECTION, "close");
      }
      opened.sendRequest(request, onSent());
    }

    private ClientCallback<ClientExchange> onSent() {
      return new ClientCallback<>() {
        @Override
        public void completed(ClientExchange sent) {
          sent.setResponseListener(onAnswer());
        }

        @Override
        public void failed(IOException e) {
          Check.this.failed(e);
        }
      };
    }

    private ClientCallback<ClientExchange> onAnswer() {
      return new ClientCallback<>() {
        @Override
        public void completed(ClientExchange answered) {
          int status = Objects.requireNonNull(answered.getResponse()).getResponseCode();
          onThread(() -> end(settings.expectedStatuses().contains(status), "status " + status));
        }

        @Override
        public void failed(IOException e) {
          Check.this.failed(e);
        }
      };
    }

    @Override
    public void failed(IOException e) {
      onThread(() -> end(false, e.toString()));
    }

    private void end(boolean good, String result) {
      if (over) {
        return;
      }
      over = true;
      if (timeout != null) {
        timeout.remove();
      }
      IoUtils.safeClose(connection);
      LOG.debug("health check of {}: {}", instance.id(), result);
      if (!closed) {
        balancer.checked(instance, good);
        checkLater(instance);
      }
    }
  }
}
