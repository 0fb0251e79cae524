package io.apprxy.forward;

import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.rewrite.Trailers;
import io.undertow.client.ClientCallback;
import io.undertow.client.ClientExchange;
import io.undertow.client.ClientRequest;
import io.undertow.client.ClientResponse;
import io.undertow.connector.ByteBufferPool;
import io.undertow.io.IoCallback;
import io.undertow.io.Sender;
import io.undertow.protocols.http2.Http2Channel;
import io.undertow.protocols.http2.Http2StreamSinkChannel;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.protocol.http.HttpAttachments;
import io.undertow.server.protocol.http.HttpContinue;
import io.undertow.util.AttachmentKey;
import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import java.io.IOException;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.xnio.IoUtils;
import org.xnio.StreamConnection;
import org.xnio.XnioExecutor;
import org.xnio.XnioIoThread;
import org.xnio.channels.StreamSinkChannel;
import org.xnio.channels.StreamSourceChannel;

/**
 * One request on its way. All state belongs to the I/O thread of the exchange; what other threads
 * tell is handed over to it.
 *
 * <p>The order of things: {@link #start}, {@link #attempt} picks a route, {@link #send} sends the
 * request, {@link #respond} streams the response, and exactly one of {@link #complete} and {@link
 * #abort} ends it.
 */
final class Forwarding {
  static final AttachmentKey<Forwarding> OF_EXCHANGE = AttachmentKey.create(Forwarding.class);

  private static final Pattern LENGTH = Pattern.compile("[0-9]{1,18}");
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.forward");

  /**
   * An origin that closes while a body is sent may have answered first; its answer gets this long
   * to arrive.
   */
  private static final Duration EARLY_ANSWER = Duration.ofSeconds(2);

  /** A client that is still sending gets this long to see why nobody listens any more. */
  private static final Duration LAST_WORD = Duration.ofMillis(300);

  private final HttpServerExchange exchange;
  private final Forwarder.Plan plan;
  private final XnioIoThread thread;
  private final ByteBufferPool pool;
  private final boolean hasBody;

  /** The protocol to upgrade to; null for an ordinary request. */
  private final @Nullable String upgrade;

  private @Nullable Route route;
  private Route.@Nullable Lease lease;
  private @Nullable ClientExchange outbound;
  private @Nullable Runnable streamEnds;
  private @Nullable StreamSourceChannel requestChannel;
  private @Nullable Pump requestPump;
  private @Nullable Pump responsePump;
  private @Nullable GatewayException lastFailure;
  private XnioExecutor.@Nullable Key watchdog;
  private long lastProgress = System.nanoTime();
  private long bytesReceived;
  private int attempts;
  private boolean opening;
  private boolean requestSent;
  private boolean sentSomething;
  private boolean responseBegun;
  private boolean blameless;
  private boolean ended;

  Forwarding(HttpServerExchange exchange, Forwarder.Plan plan) {
    this.exchange = exchange;
    this.plan = plan;
    this.thread = exchange.getIoThread();
    this.pool = exchange.getConnection().getByteBufferPool();
    this.upgrade = exchange.getRequestHeaders().getFirst(Forwarder.UPGRADE);
    this.hasBody = upgrade == null && !exchange.isRequestComplete();
  }

  // ---- sending

  void start() {
    exchange.putAttachment(OF_EXCHANGE, this);
    attempt();
  }

  void clientLeft() {
    onThread(() -> abort(clientGone(new IOException("the stream was reset"))));
  }

  void breakOff(GatewayException cause) {
    onThread(
        () -> {
          if (!ended) {
            blameless = true;
            exchange.setPersistent(false);
            abort(cause);
            endUpload();
          }
        });
  }

  /** A client that sends and sends would have what it sends thrown away as long as it likes. */
  private void endUpload() {
    if (!exchange.isComplete()) {
      thread.executeAfter(
          () -> {
            if (!exchange.isComplete()) {
              breakOff();
            }
          },
          LAST_WORD.toMillis(),
          TimeUnit.MILLISECONDS);
    }
  }

  boolean hasEnded() {
    return ended;
  }

  long bytesReceived() {
    return bytesReceived;
  }

  boolean answersOrMay() {
    return responseBegun || !ended;
  }

  boolean hasSentNothing() {
    return !sentSomething;
  }

  private void attempt() {
    try {
      Route next = plan.route();
      if (next == null) {
        abort(
            lastFailure != null
                ? lastFailure
                : new GatewayException(ErrorCode.INTERNAL, "no route was given"));
        return;
      }
      route = next;
      attempts++;
      progress();
      opening = true;
      watch();
      next.open(exchange, onOpened(next));
    } catch (GatewayException e) {
      abort(e);
    } catch (RuntimeException e) {
      abort(new GatewayException(ErrorCode.INTERNAL, "a request could not be forwarded", e));
    }
  }

  private Route.Opened onOpened(Route from) {
    return new Route.Opened() {
      @Override
      public void opened(Route.Lease opened) {
        if (ended) {
          opened.release(true);
          return;
        }
        opening = false;
        lease = opened;
        progress();
        watch();
        send(from, opened);
      }

      @Override
      public void failed(Exception cause) {
        opening = false;
        retry(from.failure(cause), true);
      }
    };
  }

  private void send(Route to, Route.Lease opened) {
    ClientRequest request = plan.request(to);
    frame(request, to);
    sentSomething = true;
    opened
        .connection()
        .sendRequest(
            request,
            new ClientCallback<>() {
              @Override
              public void completed(ClientExchange result) {
                onThread(() -> sent(result));
              }

              @Override
              public void failed(IOException e) {
                onThread(
                    () -> {
                      if (lease == opened) {
                        retry(to.failure(e), false);
                      }
                    });
              }
            });
  }

  /** The message framing of this hop: the request's own framing ended at our listener. */
  private void frame(ClientRequest request, Route to) {
    HeaderMap headers = request.getRequestHeaders();
    headers.remove(Forwarder.UPGRADE);
    headers.remove(Headers.TRANSFER_ENCODING);
    if (upgrade != null) {
      headers.remove(
          Headers
              .CONTENT_LENGTH); // Some clients say 0, which would end the stream that the upgrade
      // needs.
    }
    if (upgrade != null && to.carriesUpgrades()) {
      headers.put(Headers.CONNECTION, "Upgrade").put(Headers.UPGRADE, upgrade);
    } else if (upgrade != null) {
      headers.put(Forwarder.UPGRADE, upgrade).put(Headers.TRANSFER_ENCODING, "chunked");
    } else if (hasBody && !headers.contains(Headers.CONTENT_LENGTH)) {
      headers.put(Headers.TRANSFER_ENCODING, "chunked");
    } else if (!hasBody && headers.contains(Headers.CONTENT_LENGTH)) {
      // Undertow would wait for a body that a length announces, and on HTTP/2 hold up every later
      // stream.
      headers.put(Headers.CONTENT_LENGTH, "0");
    }
  }

  private void sent(ClientExchange sent) {
    if (ended) {
      reset(sent);
      return;
    }
    outbound = sent;
    awaitReset(sent);
    sent.setResponseListener(onResponse(sent));
    try {
      if (upgrade != null) {
        flushHeaders(sent);
      } else if (hasBody) {
        sendBody(sent);
      } else {
        requestSent = true;
      }
    } catch (IOException e) {
      retry(currentRoute().failure(e), false);
    }
  }

  /** Has us told at once if the peer gives up this stream: Undertow tells no reason. */
  private void awaitReset(ClientExchange to) {
    if (to.getRequestChannel() instanceof Http2StreamSinkChannel stream
        && stream.getChannel() instanceof IsolatingChannel channel) {
      channel.await(stream.getStreamId(), cause -> onThread(() -> givenUp(to, cause)));
      streamEnds = () -> channel.forget(stream.getStreamId());
    }
  }

  private void givenUp(ClientExchange by, StreamEndedException cause) {
    if (outbound == by) {
      retry(currentRoute().failure(cause), cause.isUnprocessed());
    }
  }

  private void sendBody(ClientExchange to) throws IOException {
    if (HttpContinue.requiresContinueResponse(exchange)) {
      // RFC 9110 §10.1.1: the origin, not we, says whether the body is wanted.
      to.setContinueHandler(informed -> onThread(this::sendContinue));
    }
    flushHeaders(to);
    requestPump =
        new Pump(requestChannel(), to.getRequestChannel(), thread, pool, new RequestEvents(to));
    requestPump.start();
  }

  /** Undertow hands it out once, and there may be another attempt. */
  private StreamSourceChannel requestChannel() {
    StreamSourceChannel channel = requestChannel;
    if (channel == null) {
      channel = exchange.getRequestChannel();
      requestChannel = channel;
    }
    return channel;
  }

  /**
   * Headers go out before anything can go wrong with the body. On HTTP/2 a stream that was given a
   * number and never began would hold up every stream after it, and to reset it would be a
   * connection error (RFC 9113 §5.1.1, §6.4).
   */
  private static void flushHeaders(ClientExchange to) throws IOException {
    StreamSinkChannel sink = to.getRequestChannel();
    if (!sink.flush()) {
      sink.getWriteSetter()
          .set(
              channel -> {
                try {
                  if (channel.flush()) {
                    channel.suspendWrites();
                  }
                } catch (IOException e) {
                  IoUtils.safeClose(channel);
                }
              });
      sink.resumeWrites();
    }
  }

  private void sendContinue() {
    if (ended || responseBegun) {
      return;
    }
    HttpContinue.sendContinueResponse(
        exchange,
        new IoCallback() {
          @Override
          public void onComplete(HttpServerExchange continued, Sender sender) {}

          @Override
          public void onException(HttpServerExchange continued, Sender sender, IOException e) {
            onThread(() -> abort(clientGone(e)));
          }
        });
  }

  /**
   * An attempt failed before a response began.
   *
   * @param unprocessed whether the origin has certainly done nothing with the request
   */
  private void retry(GatewayException cause, boolean unprocessed) {
    if (ended || responseBegun) {
      return;
    }
    boolean repeatable =
        (unprocessed && bytesReceived == 0) || (!hasBody && upgrade == null && isIdempotent());
    if (!repeatable) {
      abort(cause);
      return;
    }
    reportFailure(cause);
    stopPumps();
    releaseBroken();
    requestSent = false;
    LOG.debug("attempt {} failed", attempts, cause);
    lastFailure = cause;
    attempt();
  }

  /** RFC 9110 §9.2.2. */
  private boolean isIdempotent() {
    return switch (exchange.getRequestMethod().toString()) {
      case "GET", "HEAD", "OPTIONS", "PUT", "DELETE" -> true;
      default -> false;
    };
  }

  // ---- responding

  /** A connection that breaks may say so more than once, and after the next attempt has begun. */
  private ClientCallback<ClientExchange> onResponse(ClientExchange to) {
    return new ClientCallback<>() {
      @Override
      public void completed(ClientExchange result) {
        onThread(() -> respond(result));
      }

      @Override
      public void failed(IOException e) {
        onThread(
            () -> {
              if (outbound == to) {
                retry(currentRoute().failure(e), false);
              }
            });
      }
    };
  }

  private void respond(ClientExchange from) {
    if (ended || from != outbound) {
      reset(from);
      return;
    }
    ClientResponse response = from.getResponse();
    String switched = switchedProtocol(response);
    progress();
    try {
      checkFraming(response, switched != null);
      if (isRepeated(response)) {
        return;
      }
      plan.responseBegins(response, exchange.getResponseHeaders());
    } catch (ReportedFailure e) {
      if (e.isWorthAnotherAttempt()) {
        retry(e, e.sentNothing());
      } else {
        abort(e);
      }
      return;
    } catch (GatewayException e) {
      abort(e);
      return;
    }
    responseBegun = true;
    Objects.requireNonNull(lease).answered(response.getResponseCode());
    exchange.setStatusCode(response.getResponseCode());
    if (switched != null) {
      switchProtocols(from, switched);
    } else {
      frameResponse(response.getResponseCode());
      respondWith(from.getResponseChannel(), exchange.getResponseChannel());
    }
  }

  /** An answer that is not passed on says nothing against the endpoint that gave it. */
  private boolean isRepeated(ClientResponse response) {
    CompletionStage<@Nullable GatewayException> again;
    try {
      again = plan.again(response, !hasBody);
    } catch (GatewayException e) {
      blameless = true;
      throw e;
    } catch (RuntimeException e) {
      blameless = true;
      throw new GatewayException(ErrorCode.SIGN_ON_FAILED, "the answer cannot be looked at", e);
    }
    if (again == null) {
      return false;
    }
    Objects.requireNonNull(lease).answered(response.getResponseCode());
    releaseBroken();
    requestSent = false;
    again.whenComplete((refusal, failed) -> onThread(() -> repeat(refusal, failed)));
    return true;
  }

  private void repeat(@Nullable GatewayException refusal, @Nullable Throwable failed) {
    if (failed != null) {
      abort(new GatewayException(ErrorCode.INTERNAL, "a request could not be repeated", failed));
    } else if (refusal != null) {
      abort(refusal);
    } else if (!ended) {
      attempt();
    }
  }

  /**
   * Refuses a response of which it is in doubt where it ends (RFC 9112 §6.3). Undertow takes an
   * interim response other than 100 for the final one: the answer that follows it would be given to
   * the next request of the connection, and so to another user.
   */
  private static void checkFraming(ClientResponse response, boolean switched) {
    HeaderMap headers = response.getResponseHeaders();
    if (response.getResponseCode() < 200 && !switched) {
      throw new GatewayException(
          ErrorCode.ORIGIN_BROKEN,
          "the origin sent status " + response.getResponseCode() + ", which nobody asked for");
    }
    if (headers.contains(Headers.TRANSFER_ENCODING)) {
      headers.remove(Headers.CONTENT_LENGTH);
    }
    HeaderValues lengths = headers.get(Headers.CONTENT_LENGTH);
    if (lengths != null && (lengths.size() > 1 || !LENGTH.matcher(lengths.getFirst()).matches())) {
      throw new GatewayException(
          ErrorCode.ORIGIN_BROKEN, "the origin contradicts itself about the response's length");
    }
  }

  /**
   * Without a length, Undertow would end a response to {@code Connection: close} by closing: cut
   * off, it would look whole.
   */
  private void frameResponse(int status) {
    HeaderMap headers = exchange.getResponseHeaders();
    boolean mayHaveBody =
        status != 204 && status != 304 && !exchange.getRequestMethod().equals(Methods.HEAD);
    if (exchange.isHttp11() && mayHaveBody && !headers.contains(Headers.CONTENT_LENGTH)) {
      headers.put(Headers.TRANSFER_ENCODING, "chunked");
    }
  }

  private void respondWith(StreamSourceChannel source, StreamSinkChannel sink) {
    responsePump = new Pump(source, sink, thread, pool, new ResponseEvents());
    responsePump.start();
  }

  private @Nullable String switchedProtocol(ClientResponse response) {
    if (upgrade == null) {
      return null;
    }
    return currentRoute().carriesUpgrades()
        ? (response.getResponseCode() == 101 ? upgrade : null)
        : response.getResponseHeaders().getFirst(Forwarder.UPGRADE);
  }

  private void switchProtocols(ClientExchange from, String protocol) {
    requestSent = true;
    if (!exchange.isHttp11()) {
      exchange.setStatusCode(200);
      exchange.getResponseHeaders().put(Forwarder.UPGRADE, protocol);
      join(from, requestChannel(), exchange.getResponseChannel());
    } else {
      exchange.getResponseHeaders().remove(Headers.CONTENT_LENGTH);
      exchange.upgradeChannel(
          protocol,
          (client, upgraded) ->
              onThread(() -> join(from, client.getSourceChannel(), client.getSinkChannel())));
      exchange.endExchange();
    }
  }

  /**
   * Two streams in opposite directions, each ending on its own (a half-closed connection stays half
   * open).
   */
  private void join(
      ClientExchange from, StreamSourceChannel fromClient, StreamSinkChannel toClient) {
    try {
      StreamSourceChannel fromHop = from.getResponseChannel();
      StreamSinkChannel toHop = from.getRequestChannel();
      if (currentRoute().carriesUpgrades()) {
        StreamConnection hop = from.getConnection().performUpgrade();
        fromHop = hop.getSourceChannel();
        toHop = hop.getSinkChannel();
        Objects.requireNonNull(lease).upgraded();
      }
      requestSent = false;
      requestPump = new Pump(fromClient, toHop, thread, pool, new RequestEvents(from));
      responsePump = new Pump(fromHop, toClient, thread, pool, new ResponseEvents());
      responsePump.start();
      requestPump.start();
    } catch (IOException e) {
      abort(currentRoute().failure(e));
    }
  }

  // ---- the two streams

  private final class RequestEvents implements Pump.Events {
    private final ClientExchange to;

    RequestEvents(ClientExchange to) {
      this.to = to;
    }

    @Override
    public void progress(int read) {
      bytesReceived += read;
      Forwarding.this.progress();
    }

    @Override
    public void sourceEnded() {
      HeaderMap trailers = exchange.getAttachment(HttpAttachments.REQUEST_TRAILERS);
      if (trailers != null) {
        plan.requestEnds(trailers);
        HeaderLists.dropTooLarge(trailers);
        to.putAttachment(HttpAttachments.RESPONSE_TRAILERS, trailers);
      }
    }

    @Override
    public void finished() {
      requestSent = true;
      completeIfBothEnded();
    }

    @Override
    public void sourceFailed(IOException cause) {
      abort(clientGone(cause));
    }

    @Override
    public void sinkFailed(IOException cause) {
      GatewayException failure = currentRoute().failure(cause);
      if (upgrade != null) {
        abort(failure);
      } else if (!responseBegun) {
        thread.executeAfter(
            () -> {
              if (!responseBegun && outbound == to) {
                abort(failure);
              }
            },
            EARLY_ANSWER.toMillis(),
            TimeUnit.MILLISECONDS);
      }
    }
  }

  private final class ResponseEvents implements Pump.Events {
    @Override
    public void progress(int read) {
      Forwarding.this.progress();
    }

    @Override
    public void sourceEnded() {
      HeaderMap trailers =
          Objects.requireNonNull(outbound).getAttachment(HttpAttachments.REQUEST_TRAILERS);
      if (trailers != null) {
        Trailers.clean(trailers, IdentityHeaders.none());
        HeaderLists.dropTooLarge(trailers);
        exchange.putAttachment(HttpAttachments.RESPONSE_TRAILERS, trailers);
      }
    }

    @Override
    public void finished() {
      responsePump = null;
      if (upgrade == null) {
        complete();
      } else {
        completeIfBothEnded();
      }
    }

    @Override
    public void sourceFailed(IOException cause) {
      abort(new GatewayException(ErrorCode.ORIGIN_BROKEN, "the response broke off", cause));
    }

    @Override
    public void sinkFailed(IOException cause) {
      abort(clientGone(cause));
    }
  }

  // ---- ending

  private void completeIfBothEnded() {
    if (upgrade != null && requestSent && responseBegun && responsePump == null) {
      complete();
    }
  }

  private void complete() {
    if (ended) {
      return;
    }
    ended = true;
    stopWatching();
    boolean whole = requestSent && upgrade == null && plan.isReusable();
    if (requestPump != null) {
      requestPump.stop();
    }
    if (!whole && outbound != null && upgrade == null) {
      reset(outbound);
    }
    release(whole);
    exchange.endExchange();
  }

  /**
   * Ends everything at once: the hop's stream is reset, and the client gets an error or a broken
   * response.
   */
  private void abort(GatewayException cause) {
    if (ended) {
      return;
    }
    ended = true;
    stopWatching();
    stopPumps();
    if (opening) {
      currentRoute().cancel();
    }
    reportFailure(cause);
    releaseBroken();
    if (!responseBegun && !exchange.isResponseStarted()) {
      plan.failed(exchange, cause);
    } else {
      LOG.debug("a response was broken off", cause);
      breakOff();
    }
  }

  /**
   * Closing first makes sure that ending the exchange can write no last chunk. On HTTP/2 only the
   * stream is reset.
   */
  private void breakOff() {
    IoUtils.safeClose(exchange.getConnection());
    exchange.endExchange();
  }

  private void stopPumps() {
    if (requestPump != null) {
      requestPump.stop();
    }
    if (responsePump != null) {
      responsePump.stop();
    }
  }

  private void releaseBroken() {
    if (outbound != null) {
      reset(outbound);
      outbound = null;
    }
    release(false);
  }

  /** What the client does, or the gateway wants, is no failure of the hop. */
  private void reportFailure(GatewayException cause) {
    if (lease != null && !responseBegun && !blameless && cause.code() != ErrorCode.CLIENT_GONE) {
      lease.failed(cause);
    }
  }

  private void release(boolean intact) {
    if (streamEnds != null) {
      streamEnds.run();
      streamEnds = null;
    }
    if (lease != null) {
      lease.release(intact);
      lease = null;
    }
  }

  /**
   * Ends one stream of a connection that others share; on HTTP/1.1 the lease closes the connection.
   * Done by the thread that reads the connection: Undertow forgets a stream that is reset and
   * remembers it elsewhere, and a frame of it that is read between the two would end the
   * connection.
   */
  private static void reset(ClientExchange stream) {
    if (stream.getRequestChannel() instanceof Http2StreamSinkChannel http2) {
      Http2Channel connection = http2.getChannel();
      onThread(
          connection.getIoThread(),
          () -> {
            connection.sendRstStream(http2.getStreamId(), Http2Channel.ERROR_CANCEL);
            IoUtils.safeClose(stream.getResponseChannel());
          });
    }
  }

  // ---- time

  private void progress() {
    lastProgress = System.nanoTime();
  }

  /**
   * One timer a request: it looks how long nothing has moved, and comes back when that could have
   * become too long.
   */
  private void watch() {
    stopWatching();
    long idle = timeLimit().toNanos();
    long idleLeft = idle - (System.nanoTime() - lastProgress);
    long stallLeft = plan.stallTimeout().toNanos() - stalledFor();
    if (idleLeft <= 0) {
      abort(
          new GatewayException(
              ErrorCode.ORIGIN_TIMEOUT, "nothing was received for " + Duration.ofNanos(idle)));
    } else if (stallLeft <= 0) {
      abort(
          new GatewayException(
              ErrorCode.CLIENT_GONE, "nothing could be sent for " + plan.stallTimeout()));
    } else {
      watchdog =
          thread.executeAfter(
              this::watch,
              TimeUnit.NANOSECONDS.toMillis(Math.min(idleLeft, stallLeft)) + 1,
              TimeUnit.MILLISECONDS);
    }
  }

  /**
   * A stream on which there is nothing to send waits for nobody; and before there is an answer, the
   * origin may take its time for the request, too.
   */
  private long stalledFor() {
    if (!responseBegun) {
      return 0;
    }
    return Math.max(
        requestPump == null ? 0 : requestPump.stalledFor(),
        responsePump == null ? 0 : responsePump.stalledFor());
  }

  private Duration timeLimit() {
    if (opening) {
      return plan.openTimeout();
    }
    return responseBegun ? plan.idleTimeout() : plan.responseTimeout();
  }

  private void stopWatching() {
    if (watchdog != null) {
      watchdog.remove();
      watchdog = null;
    }
  }

  // ---- helpers of this class

  private Route currentRoute() {
    return Objects.requireNonNull(route);
  }

  private void onThread(Runnable task) {
    onThread(thread, task);
  }

  private static void onThread(XnioIoThread owner, Runnable task) {
    if (Thread.currentThread() == owner) {
      task.run();
    } else {
      owner.execute(task);
    }
  }

  private static GatewayException clientGone(IOException cause) {
    return new GatewayException(ErrorCode.CLIENT_GONE, "the client went away", cause);
  }
}
