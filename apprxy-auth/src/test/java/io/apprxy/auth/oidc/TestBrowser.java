package io.apprxy.auth.oidc;

import io.apprxy.Application;
import io.apprxy.Identity;
import io.apprxy.PreAuthentication;
import io.apprxy.Response;
import io.apprxy.StepUpRequirement;
import io.apprxy.Verdict;
import io.apprxy.auth.TestExchange;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A browser before a pre-authentication: it keeps cookies and says what browsers say. Thread-safe,
 * for many tabs.
 */
final class TestBrowser {
  static final Application WIKI =
      Application.builder("wiki")
          .externalUrl("https://wiki.example/")
          .internalUrl("http://wiki.corp/")
          .assignEveryone()
          .build();

  static final Map<String, String> NAVIGATION =
      Map.of(
          "Sec-Fetch-Site", "none",
          "Sec-Fetch-Mode", "navigate",
          "Sec-Fetch-Dest", "document",
          "Accept", "text/html");

  final Map<String, String> cookies = new ConcurrentHashMap<>();
  private final PreAuthentication gateway;
  private final String authority;
  Application application = WIKI;

  TestBrowser(PreAuthentication gateway) {
    this(gateway, "wiki.example");
  }

  TestBrowser(PreAuthentication gateway, String authority) {
    this.gateway = gateway;
    this.authority = authority;
  }

  /** The user opens a page. */
  Page open(String pathAndQuery) throws Exception {
    return send("GET", pathAndQuery, NAVIGATION);
  }

  Page open(URI url) throws Exception {
    return open(url.getRawPath() + (url.getRawQuery() == null ? "" : "?" + url.getRawQuery()));
  }

  /** The whole sign-in, from the page to the page. */
  Page signIn(TestProvider provider, String pathAndQuery) throws Exception {
    return open(provider.authorize(open(pathAndQuery).location()));
  }

  Page send(String method, String pathAndQuery, Map<String, String> headers) throws Exception {
    return send(method, pathAndQuery, headers, "");
  }

  /** The user sends a form. */
  Page post(String pathAndQuery, Map<String, String> headers, String body) throws Exception {
    return send("POST", pathAndQuery, headers, body);
  }

  private Page send(String method, String pathAndQuery, Map<String, String> headers, String body)
      throws Exception {
    TestExchange request =
        new TestExchange(authority, method, pathAndQuery, headers, cookies, application)
            .withBody(body);
    return answer(request, gateway.authenticate(request));
  }

  /** The user opens a page, of which a policy demands more. */
  Page openDemanding(String pathAndQuery, StepUpRequirement requirement) throws Exception {
    return sendDemanding("GET", pathAndQuery, NAVIGATION, requirement);
  }

  Page sendDemanding(
      String method, String pathAndQuery, Map<String, String> headers, StepUpRequirement demanded)
      throws Exception {
    return sendDemanding(method, pathAndQuery, headers, "", demanded);
  }

  Page sendDemanding(
      String method,
      String pathAndQuery,
      Map<String, String> headers,
      String body,
      StepUpRequirement demanded)
      throws Exception {
    TestExchange request =
        new TestExchange(authority, method, pathAndQuery, headers, cookies, application)
            .withBody(body);
    Verdict verdict = settle(gateway.authenticate(request));
    return verdict instanceof Verdict.Proceed
        ? answer(request, gateway.stepUp(request, demanded))
        : answer(request, verdict);
  }

  private Page answer(TestExchange request, Verdict outcome) throws Exception {
    Verdict verdict = settle(outcome);
    Response response = verdict instanceof Verdict.Answer answer ? answer.response() : null;
    Page page = new Page(request.identity(), response, request.responseHeaders());
    page.setCookies().forEach(this::store);
    return page;
  }

  private static Verdict settle(Verdict verdict) throws Exception {
    if (!(verdict instanceof Verdict.Later later)) {
      return verdict;
    }
    try {
      return later.outcome().toCompletableFuture().orTimeout(60, TimeUnit.SECONDS).join();
    } catch (CompletionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw e;
    }
  }

  private void store(String setCookie) {
    String[] pair = setCookie.split(";", 2)[0].split("=", 2);
    if (setCookie.contains("Max-Age=0")) {
      cookies.remove(pair[0]);
    } else {
      cookies.put(pair[0], pair[1]);
    }
  }

  /**
   * What came back.
   *
   * @param identity who was signed in
   * @param response null if the request went on to the application
   */
  record Page(Identity identity, Response response, List<Response.Header> added) {
    boolean reachedApplication() {
      return response == null;
    }

    URI location() {
      return URI.create(header("Location"));
    }

    String header(String name) {
      return Stream.concat(response.headers().stream(), added.stream())
          .filter(header -> header.name().equalsIgnoreCase(name))
          .map(Response.Header::value)
          .findFirst()
          .orElse(null);
    }

    List<String> setCookies() {
      return added.stream()
          .filter(header -> header.name().equals("Set-Cookie"))
          .map(Response.Header::value)
          .toList();
    }

    String body() {
      return new String(response.body(), java.nio.charset.StandardCharsets.UTF_8);
    }
  }
}
