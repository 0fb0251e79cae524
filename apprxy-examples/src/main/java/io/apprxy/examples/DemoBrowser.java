package io.apprxy.examples;

import java.io.IOException;
import java.net.CookieManager;
import java.net.CookiePolicy;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/**
 * A user without a screen: keeps cookies, follows redirects, and fills in the forms of {@link
 * DemoProvider}.
 */
final class DemoBrowser {
  private static final Pattern TICKET = Pattern.compile("name=\"ticket\" value=\"([^\"]+)\"");
  private static final Pattern ONE_TIME_CODE = Pattern.compile("id=\"demo-code\">([0-9]{6})<");
  private static final Duration TIMEOUT = Duration.ofSeconds(30);

  private final CookieManager cookies = new CookieManager(null, CookiePolicy.ACCEPT_ALL);
  private final HttpClient client;

  /** A browser without cookies, that trusts what this context trusts. */
  DemoBrowser(SSLContext tls) {
    this(tls, HttpClient.Redirect.ALWAYS);
  }

  DemoBrowser(SSLContext tls, HttpClient.Redirect redirects) {
    client =
        HttpClient.newBuilder()
            .sslContext(tls)
            .cookieHandler(cookies)
            .followRedirects(redirects)
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(TIMEOUT)
            .build();
  }

  /** Opens a page, as a browser does that was given its address. */
  HttpResponse<String> open(URI url) throws IOException, InterruptedException {
    return client.send(request(url).build(), BodyHandlers.ofString());
  }

  /**
   * Opens a page that leads to the provider, and signs in there: the page that the user sees at
   * last.
   */
  HttpResponse<String> signIn(URI url, DemoProvider.User user, boolean mfa)
      throws IOException, InterruptedException {
    HttpResponse<String> form = open(url);
    if (ticket(form) == null) {
      throw new IOException(
          "no sign-in page at " + form.uri() + ", but status " + form.statusCode());
    }
    Map<String, String> fields = Map.of("username", user.name(), "password", user.password());
    HttpResponse<String> next = submit(form, mfa ? with(fields, "mfa", "on") : fields);
    Matcher code = ONE_TIME_CODE.matcher(next.body());
    return code.find() ? submit(next, Map.of("code", code.group(1))) : next;
  }

  /** Posts the form of this page, with its ticket. */
  HttpResponse<String> submit(HttpResponse<String> form, Map<String, String> fields)
      throws IOException, InterruptedException {
    String ticket = ticket(form);
    Map<String, String> all = ticket == null ? fields : with(fields, "ticket", ticket);
    String path = form.body().contains("action=\"/end-session\"") ? "/end-session" : "/sign-in";
    return post(form.uri().resolve(path), all);
  }

  /** Posts a form. */
  HttpResponse<String> post(URI url, Map<String, String> fields)
      throws IOException, InterruptedException {
    String body =
        fields.entrySet().stream()
            .map(field -> encode(field.getKey()) + "=" + encode(field.getValue()))
            .collect(Collectors.joining("&"));
    return client.send(
        request(url)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(BodyPublishers.ofString(body))
            .build(),
        BodyHandlers.ofString());
  }

  /** The value of a {@code Cookie} header for this host. */
  String cookies(URI url) {
    return cookies.getCookieStore().get(url).stream()
        .map(cookie -> cookie.getName() + "=" + cookie.getValue())
        .collect(Collectors.joining("; "));
  }

  /** The ticket of the form on this page, or null if there is none. */
  static @Nullable String ticket(HttpResponse<String> page) {
    Matcher ticket = TICKET.matcher(page.body());
    return ticket.find() ? ticket.group(1) : null;
  }

  private static HttpRequest.Builder request(URI url) {
    return HttpRequest.newBuilder(url)
        .timeout(TIMEOUT)
        .header("Accept", "text/html")
        .header("Sec-Fetch-Site", "none")
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Dest", "document");
  }

  private static Map<String, String> with(Map<String, String> fields, String name, String value) {
    Map<String, String> more = new HashMap<>(fields);
    more.put(name, value);
    return more;
  }

  private static String encode(String text) {
    return URLEncoder.encode(text, StandardCharsets.UTF_8);
  }
}
