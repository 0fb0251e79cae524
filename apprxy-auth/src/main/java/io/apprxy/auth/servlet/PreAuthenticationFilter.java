package io.apprxy.auth.servlet;

import io.apprxy.AccessPolicy;
import io.apprxy.Admission;
import io.apprxy.Application;
import io.apprxy.CrossOrigin;
import io.apprxy.ErrorCode;
import io.apprxy.GatewayException;
import io.apprxy.Identity;
import io.apprxy.PreAuthentication;
import io.apprxy.Response;
import io.apprxy.SignOn;
import io.apprxy.Verdict;
import io.apprxy.forward.OriginHeaders;
import io.apprxy.rewrite.ForwardedHeaders;
import io.apprxy.rewrite.IdentityHeaders;
import io.apprxy.rewrite.RequestHeaders;
import io.apprxy.route.RequestGuard;
import io.apprxy.route.Routes;
import io.undertow.util.HeaderMap;
import jakarta.servlet.AsyncContext;
import jakarta.servlet.AsyncEvent;
import jakarta.servlet.AsyncListener;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.Filter;
import jakarta.servlet.FilterChain;
import jakarta.servlet.FilterConfig;
import jakarta.servlet.ServletContext;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRequest;
import jakarta.servlet.ServletResponse;
import jakarta.servlet.ServletResponseWrapper;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Does inside a servlet application what a gateway does before one: signs users in, keeps their
 * sessions, decides by policy, all by the same settings. The stages are those of a gateway, in the
 * same order; one that fails refuses, and nothing of the application runs. Thread-safe.
 *
 * <p>The application sees an {@link IdentityPrincipal} in {@code getUserPrincipal}, and neither the
 * cookies of the session nor headers that only a sign-on may set. Its responses to users are {@code
 * private}. When a session ends, what is open for it ends, too: reads and writes fail, and an
 * asynchronous request is broken off. A WebSocket is not the filter's any more: its endpoint asks
 * {@link IdentityPrincipal#stands}.
 *
 * <p>An application's external URL says which requests are its own, with the path of the servlet
 * context in it, since the filter takes the path as the client sent it. The paths below {@code
 * /.apprxy/} are the filter's only at the root of the host: an application in another context needs
 * the same filter registered in the root context, too.
 *
 * <p>Requests that a stage lets wait (for the provider, mostly) wait on their thread, up to {@link
 * Builder#timeout}: to go on later would be another dispatch, which filters of the application that
 * are mapped to {@code REQUEST} alone would not see. Those for {@code /.apprxy/} go no further, and
 * so they wait without a thread, where the container lets them.
 */
public final class PreAuthenticationFilter implements Filter {
  private static final String ADMITTED = PreAuthenticationFilter.class.getName();
  private static final Logger LOG = LoggerFactory.getLogger("io.apprxy.servlet");

  private final RequestGuard guard = RequestGuard.defaults();
  private final OpenRequest.Watch watch;
  private final ForwardedHeaders forwarded;
  private final Routes routes;
  private final Admission admission;
  private final SignOn signOn;
  private final IdentityPrincipal.Claims claims;
  private final Duration timeout;
  private final IdentityHeaders identityHeaders;

  /**
   * A request that was let in, for when it is dispatched again.
   *
   * @param headers those that the application sees
   * @param ours what is added to the response
   */
  private record Admitted(
      @Nullable IdentityPrincipal principal,
      HeaderMap headers,
      List<Response.Header> ours,
      boolean hasCorsRules,
      OpenRequest open) {}

  private PreAuthenticationFilter(Builder settings) {
    forwarded = ForwardedHeaders.trusting(settings.trustedProxies);
    routes = Routes.of(settings.applications);
    admission = new Admission(settings.preAuthentication, settings.accessPolicy);
    watch = new OpenRequest.Watch(admission::authorize);
    signOn = settings.signOn;
    claims = settings.claims;
    timeout = settings.timeout;
    identityHeaders = IdentityHeaders.of(settings.applications);
  }

  public static Builder builder() {
    return new Builder();
  }

  /**
   * Has every request of the context go through this filter first; to be called before the context
   * has started, by a {@code ServletContextListener} or {@code ServletContainerInitializer}. May be
   * called for several contexts.
   */
  public void register(ServletContext context) {
    Registration.add(context, "apprxy-pre-authentication", this);
  }

  @Override
  public void init(FilterConfig config) {
    watch.start();
  }

  @Override
  public void destroy() {
    watch.stop();
  }

  @Override
  public void doFilter(ServletRequest request, ServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    HttpServletRequest http = (HttpServletRequest) request;
    HttpServletResponse answer = (HttpServletResponse) response;
    DispatcherType dispatcher = request.getDispatcherType();
    if (request.getAttribute(ADMITTED) instanceof Admitted admitted) {
      again(admitted, http, answer, chain, dispatcher);
    } else if (dispatcher == DispatcherType.REQUEST) {
      arrive(http, answer, chain);
    } else if (dispatcher != DispatcherType.ERROR) {
      Answers.send(
          answer,
          Answers.refusal(
              new IllegalStateException("a filter before this one dispatched the request"),
              Answers.newId(),
              http));
    }
    // Else the container refused before anybody was known: the status alone is told.
  }

  // ---- a request that arrives: the stages of a gateway

  private void arrive(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
      throws IOException, ServletException {
    ServletExchange exchange = new ServletExchange(request);
    Response answer;
    HeaderMap headers;
    IdentityPrincipal principal = null;
    try {
      Verdict verdict = identify(exchange);
      if (verdict instanceof Verdict.Later later
          && exchange.isReserved()
          && request.isAsyncSupported()) {
        answerLater(later.outcome(), exchange, request);
        return;
      }
      answer = settle(exchange, verdict);
      if (answer == null) {
        answer = settle(exchange, admission.authorize(exchange));
      }
      headers = exchange.headersOfTheApplication(identityHeaders);
      if (answer == null) {
        RequestHeaders.keepBack(headers, exchange.application(), exchange.passesThrough());
      }
      Identity identity = exchange.identity();
      if (answer == null && identity != null) {
        principal = claims.principal(identity, exchange.stands());
        answer =
            settle(
                exchange,
                signOn.signOn(new OriginHeaders(headers), identity, exchange.application()));
        stillStands(principal);
      }
    } catch (RuntimeException | Error e) {
      refuse(exchange, e, request, response);
      return;
    }
    if (answer != null) {
      answer(exchange, answer, response);
      return;
    }
    List<Response.Header> ours = new ArrayList<>(exchange.responseHeaders());
    ours.add(new Response.Header("X-Request-Id", exchange.id()));
    Admitted admitted =
        new Admitted(
            principal, headers, ours, CrossOrigin.rules(exchange) != null, watch.begin(exchange));
    request.setAttribute(ADMITTED, admitted);
    if (principal != null) {
      request.setAttribute(VerifiedIdentityFilter.IDENTITY, principal.identity());
    }
    serve(admitted, request, wrap(admitted, response).begin(), chain);
  }

  /** It may have waited for the policy. */
  private static void stillStands(IdentityPrincipal principal) {
    if (!principal.stands()) {
      throw new GatewayException(
          ErrorCode.SESSION_ENDED, "the session ended before the request was served");
    }
  }

  private Verdict identify(ServletExchange exchange) {
    exchange.check(guard, forwarded);
    String redirect = routes.redirect(exchange.target());
    if (redirect != null) {
      return Verdict.answer(Response.of(308).with("Location", redirect));
    }
    Application application = routes.find(exchange.target());
    if (application == null) {
      throw new GatewayException(
          ErrorCode.NO_APPLICATION, "no application at " + exchange.target());
    }
    exchange.belongsTo(application);
    Verdict crossOrigin = CrossOrigin.admit(exchange);
    return crossOrigin instanceof Verdict.Proceed ? admission.authenticate(exchange) : crossOrigin;
  }

  /**
   * What a verdict comes to, after what it has to wait for.
   *
   * @return the answer to the request, or null if it proceeds
   */
  private @Nullable Response settle(ServletExchange exchange, @Nullable Verdict verdict) {
    Verdict then = verdict;
    while (true) {
      if (then instanceof Verdict.Proceed) {
        return null;
      } else if (then instanceof Verdict.Answer answer) {
        return answer.response();
      } else if (then instanceof Verdict.StepUp stepUp) {
        then = admission.stepUp(exchange, stepUp.requirement());
      } else if (then instanceof Verdict.Later later) {
        then = await(later.outcome());
      } else {
        throw new IllegalStateException("no verdict: " + then);
      }
    }
  }

  private @Nullable Verdict await(CompletionStage<Verdict> outcome) {
    try {
      return outcome.toCompletableFuture().get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      throw unwrapped(e.getCause());
    } catch (TimeoutException e) {
      throw new IllegalStateException("a stage took longer than " + timeout, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while a stage waited", e);
    }
  }

  private static RuntimeException unwrapped(@Nullable Throwable failed) {
    Throwable cause =
        failed instanceof CompletionException && failed.getCause() != null
            ? failed.getCause()
            : failed;
    return cause instanceof GatewayException known
        ? known
        : new GatewayException(ErrorCode.INTERNAL, "a stage failed", cause);
  }

  /** A reserved path goes no further than to an answer, which needs no thread until it is there. */
  private void answerLater(
      CompletionStage<Verdict> outcome, ServletExchange exchange, HttpServletRequest request) {
    AsyncContext context = request.startAsync();
    context.setTimeout(timeout.toMillis());
    AtomicBoolean answered = new AtomicBoolean();
    context.addListener(
        new Timeout(
            () -> {
              if (answered.compareAndSet(false, true)) {
                finish(context, exchange, null, new TimeoutException("a stage took too long"));
              }
            }));
    var unused =
        outcome.whenComplete(
            (verdict, failed) -> {
              if (answered.compareAndSet(false, true)) {
                context.start(() -> finish(context, exchange, verdict, failed));
              }
            });
  }

  private void finish(
      AsyncContext context,
      ServletExchange exchange,
      @Nullable Verdict verdict,
      @Nullable Throwable failed) {
    HttpServletRequest request = (HttpServletRequest) context.getRequest();
    HttpServletResponse response = (HttpServletResponse) context.getResponse();
    try {
      try {
        if (verdict == null) {
          throw unwrapped(failed);
        }
        Response answer = settle(exchange, verdict);
        answer(
            exchange,
            answer == null
                ? Objects.requireNonNull(settle(exchange, admission.authorize(exchange)))
                : answer,
            response);
      } catch (RuntimeException | Error e) {
        refuse(exchange, e, request, response);
      }
    } catch (IOException e) {
      LOG.debug("{} the client went away", exchange.id(), e);
    } finally {
      context.complete();
    }
  }

  private static void refuse(
      ServletExchange exchange,
      Throwable failed,
      HttpServletRequest request,
      HttpServletResponse response)
      throws IOException {
    answer(exchange, Answers.refusal(failed, exchange.id(), request), response);
  }

  private static void answer(
      ServletExchange exchange, Response answer, HttpServletResponse response) throws IOException {
    response.setHeader("X-Request-Id", exchange.id());
    exchange.responseHeaders().forEach(header -> response.addHeader(header.name(), header.value()));
    Answers.send(response, answer);
  }

  // ---- a request that was let in

  private static AdmittedResponse wrap(Admitted admitted, HttpServletResponse response) {
    return new AdmittedResponse(
        response,
        admitted.open(),
        admitted.ours(),
        admitted.principal() != null,
        admitted.hasCorsRules());
  }

  /** Dispatched again: forwarded, included, asynchronous, or to an error page. */
  private static void again(
      Admitted admitted,
      HttpServletRequest request,
      HttpServletResponse response,
      FilterChain chain,
      DispatcherType dispatcher)
      throws IOException, ServletException {
    if (dispatcher == DispatcherType.FORWARD || dispatcher == DispatcherType.INCLUDE) {
      chain.doFilter(request, response); // it has the wrappers on, and its end is not the request's
      return;
    }
    admitted.open().isDispatched();
    serve(admitted, request, wrap(admitted, response), chain);
  }

  private static void serve(
      Admitted admitted, HttpServletRequest request, AdmittedResponse response, FilterChain chain)
      throws IOException, ServletException {
    OpenRequest open = admitted.open();
    try {
      if (!open.hasEnded()) {
        chain.doFilter(
            new AdmittedRequest(request, response, admitted.principal(), admitted.headers(), open),
            response);
      }
    } finally {
      if (request.isAsyncStarted()) {
        open.continues(request.getAsyncContext());
      } else {
        open.done();
      }
    }
    if (!request.isAsyncStarted() && open.hasEnded()) {
      breakOff(open, request, innermost(response));
    }
  }

  /** The container's own: ours lets nothing be written any more. */
  private static HttpServletResponse innermost(ServletResponse response) {
    ServletResponse inner = response;
    while (inner instanceof ServletResponseWrapper wrapper) {
      inner = wrapper.getResponse();
    }
    return (HttpServletResponse) inner;
  }

  /** What was cut off is not to look as if it were whole. */
  private static void breakOff(
      OpenRequest open, HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    if (!response.isCommitted()) {
      response.reset();
      Answers.send(
          response,
          Answers.refusal(
              new GatewayException(ErrorCode.SESSION_ENDED, "the session has ended"),
              Answers.newId(),
              request));
    } else if (open.isCutOff() || request.getDispatcherType() == DispatcherType.ASYNC) {
      throw new IOException("the session of this request has ended");
    }
  }

  private record Timeout(Runnable action) implements AsyncListener {
    @Override
    public void onTimeout(AsyncEvent event) {
      action.run();
    }

    @Override
    public void onComplete(AsyncEvent event) {}

    @Override
    public void onError(AsyncEvent event) {}

    @Override
    public void onStartAsync(AsyncEvent event) {}
  }

  /** Settings. Not thread-safe. */
  public static final class Builder {
    private @Nullable PreAuthentication preAuthentication;
    private @Nullable AccessPolicy accessPolicy;
    private final List<Application> applications = new ArrayList<>();
    private SignOn signOn = SignOn.none();
    private List<String> trustedProxies = List.of();
    private IdentityPrincipal.Claims claims = IdentityPrincipal.Claims.DEFAULT;
    private Duration timeout = Duration.ofSeconds(30);

    private Builder() {}

    /** Finds out who the user is. Required. */
    public Builder preAuthentication(PreAuthentication stage) {
      preAuthentication = Objects.requireNonNull(stage, "stage");
      return this;
    }

    /** Decides whether the user may. Required. */
    public Builder accessPolicy(AccessPolicy stage) {
      accessPolicy = Objects.requireNonNull(stage, "stage");
      return this;
    }

    /**
     * The application, or a part of it with settings of its own. Its {@code internalUrl},
     * connectors and all that concerns forwarding have no meaning here. A request to no application
     * is refused.
     */
    public Builder protect(Application application) {
      applications.add(Objects.requireNonNull(application, "application"));
      return this;
    }

    /**
     * Tells the application who the user is in request headers, where it wants them. Default:
     * {@link SignOn#none()}.
     */
    public Builder signOn(SignOn stage) {
      signOn = Objects.requireNonNull(stage, "stage");
      return this;
    }

    /**
     * Peers whose {@code Forwarded} and {@code X-Forwarded-*} headers are believed, as addresses or
     * CIDR blocks; not to be combined with such a setting of the container. Default: none.
     */
    public Builder trustProxies(String... cidrs) {
      trustedProxies = List.of(cidrs);
      return this;
    }

    /**
     * The claim that is the user's name; who has none, or several, is refused. Default: {@code
     * sub}, which is never given to another user. Several providers could use the same.
     */
    public Builder userName(String claim) {
      claims = new IdentityPrincipal.Claims(claim, claims.roles());
      return this;
    }

    /** The claims whose values are the user's roles. Default: {@code groups}. */
    public Builder roles(String... names) {
      claims = new IdentityPrincipal.Claims(claims.name(), List.of(names));
      return this;
    }

    /**
     * How long a request may wait for a stage; each stage has shorter limits of its own. Default:
     * 30 s.
     *
     * @throws IllegalArgumentException unless it is from 1 s to 5 minutes
     */
    public Builder timeout(Duration wait) {
      if (wait.compareTo(Duration.ofSeconds(1)) < 0 || wait.compareTo(Duration.ofMinutes(5)) > 0) {
        throw new IllegalArgumentException("timeout must be from 1 s to 5 minutes: " + wait);
      }
      timeout = wait;
      return this;
    }

    /**
     * The filter.
     *
     * @throws IllegalArgumentException if two applications have the same id or external URL
     * @throws IllegalStateException if a stage or an application is missing, or an application
     *     wants a signed assertion, a ticket, a password or a token, which gateways get, or takes
     *     nobody without a certificate, which they verify
     */
    public PreAuthenticationFilter build() {
      if (preAuthentication == null || accessPolicy == null || applications.isEmpty()) {
        throw new IllegalStateException(
            "preAuthentication, accessPolicy and an application are required");
      }
      for (Application application : applications) {
        if (application.singleSignOn().signedAssertion() != null) {
          throw new IllegalStateException(
              "application " + application.id() + " wants a signed assertion: only gateways sign");
        }
        if (application.legacyAuthentication() == Application.LegacyAuthentication.REMOVE) {
          throw new IllegalStateException(
              "application "
                  + application.id()
                  + " removes what an origin offers: it has none in its own server");
        }
        if (application.singleSignOn().setsAuthorization()) {
          throw new IllegalStateException(
              "application "
                  + application.id()
                  + " wants a ticket, password or token of its users: it has the users themselves");
        }
        if (application.clientCertificate() == Application.ClientCertificate.REQUIRED
            || application.clientCertificate() == Application.ClientCertificate.IDENTITY) {
          throw new IllegalStateException(
              "application "
                  + application.id()
                  + " takes nobody without a certificate: only gateways verify them");
        }
        if (application.externalAuthentication()
            == Application.ExternalAuthentication.PRE_AUTHENTICATION) {
          preAuthentication.check(application);
        }
      }
      return new PreAuthenticationFilter(this);
    }
  }
}
