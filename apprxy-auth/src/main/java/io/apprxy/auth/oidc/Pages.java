package io.apprxy.auth.oidc;

import io.apprxy.ErrorCode;
import io.apprxy.Exchange;
import io.apprxy.Identity;
import io.apprxy.Response;
import io.apprxy.StepUpRequirement;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;

/** What the gateway itself says about signing in and out. */
final class Pages {
  private static final JsonMapper JSON = new JsonMapper();

  private static final String STYLE =
      """
      :root{color-scheme:light dark;--fg:#1b1f24;--bg:#f4f5f7;--card:#fff;--line:#e1e4e8;--accent:#0b5cad}
      @media(prefers-color-scheme:dark){:root{--fg:#e8eaed;--bg:#14171a;--card:#1d2125;--line:#32383f;--accent:#7ab8f5}}
      *{box-sizing:border-box}
      body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--bg);color:var(--fg);
      font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
      main{width:100%;max-width:34rem;padding:2.25rem;background:var(--card);border:1px solid var(--line);border-radius:.9rem}
      h1{margin:0 0 .6rem;font-size:1.4rem;line-height:1.3}
      p{margin:0 0 1rem}
      a,button{display:inline-block;padding:.55rem 1.05rem;border:0;border-radius:.5rem;background:var(--accent);color:var(--card);
      font:inherit;text-decoration:none;cursor:pointer}
      ul{list-style:none;margin:0;padding:0;display:grid;gap:.6rem}
      li a{display:block;text-align:center}
      a:focus-visible,button:focus-visible{outline:3px solid var(--fg);outline-offset:2px}
      """;

  /**
   * RFC 9110 §15.5.2 demands a challenge; "Bearer" or "Basic" would promise what is not accepted.
   */
  private static final String CHALLENGE = "Session realm=\"apprxy\"";

  /**
   * Keeps the fragment of the address, which never leaves the browser, in this tab; the sign-in
   * knows only that there is one, by a {@code #} at the end of the page to return to. Goes on to
   * the first link by itself, unless there is a choice.
   */
  private static final String KEEP_FRAGMENT =
      """
      var links=document.querySelectorAll("main a"),f=location.hash;
      if(f.length>1){try{sessionStorage.setItem("apprxy:"+location.pathname+location.search,f);
      links.forEach(function(a){a.href=a.getAttribute("href").replace(/[?]return=[^&]*/,"$&%23")})}catch(e){}}
      if(links.length===1)location.replace(links[0].href)
      """;

  /** Keeps a sealed form in this tab, as above, or says that it cannot. */
  private static final String KEEP_FORM =
      """
      var links=document.querySelectorAll("main a"),f=document.querySelector("input");
      try{sessionStorage.setItem("apprxy:"+f.name,f.value);
      if(links.length===1)location.replace(links[0].href)}
      catch(e){document.querySelector("p[hidden]").hidden=false}
      """;

  /**
   * Puts back what this tab keeps: a fragment begins with #, and so leads nowhere else; anything
   * else is a sealed form, which is opened here.
   */
  private static final String RESTORE =
      """
      var u=document.querySelector("main a").getAttribute("href"),k="apprxy:"+u,f="";
      try{f=sessionStorage.getItem(k)||"";sessionStorage.removeItem(k)}catch(e){}
      if(f&&f.charAt(0)!=="#"){var i=document.querySelector("input");i.value=f;i.form.submit()}
      else location.replace(u+f)
      """;

  private static final String RELOAD =
      "Sign in in another tab, then reload this page: the browser sends the form again.";

  private static final String POLICY =
      "default-src 'none'; style-src 'sha256-"
          + sha256(STYLE)
          + "'; base-uri 'none'; frame-ancestors 'none'; form-action ";

  private Pages() {}

  /**
   * Browsers hold redirects that follow a form against {@code form-action}, and the way through a
   * provider's sign-out may cross several of its hosts: hence any https, and http for a provider on
   * the loopback interface. The form's own target is fixed.
   */
  static Response askToSignOut() {
    String body =
        "<h1>Sign out?</h1>\n<p>Another site sent you here.</p>\n<form method=\"post\" action=\""
            + SignOut.PATH
            + "\"><button>Sign out</button></form>";
    // Not "no-referrer", with which the form would be sent with "Origin: null".
    return page("Sign out?", body, "'self' https: http://localhost:* http://127.0.0.1:*")
        .with("Referrer-Policy", "same-origin");
  }

  static Response signedOut() {
    String body =
        "<h1>You are signed out</h1>\n<p>Close the browser if others use this device.</p>\n<p><a href=\""
            + SignIn.PATH
            + "\">Sign in again</a></p>";
    return page("You are signed out", body, "'none'").with("Referrer-Policy", "no-referrer");
  }

  /** Begins a sign-in so that the fragment of the page survives it. */
  static Response keepFragment(Wish wish) {
    String link = escape(wish.path());
    return scripted(
            page(
                401,
                "Sign in",
                "<h1>Sign in</h1>\n<p><a href=\""
                    + link
                    + "\">Continue</a></p>"
                    + script(KEEP_FRAGMENT),
                "'none'",
                KEEP_FRAGMENT))
        .with("WWW-Authenticate", CHALLENGE);
  }

  /**
   * Goes on to a page, with what the browser kept for it.
   *
   * @param wish the page, with {@link Wish#KEPT} at its end
   */
  static Response restore(String wish) {
    String body =
        "<h1>You are signed in</h1>\n<p><a href=\""
            + escape(wish.substring(0, wish.length() - Wish.KEPT.length()))
            + "\">Continue</a></p>\n<form method=\"post\" action=\""
            + PostedForms.PATH
            + "\"><input type=\"hidden\" name=\"form\"></form>"
            + script(RESTORE);
    // The address has a code, which is for nobody; without any origin, the form would have "null".
    return page(200, "Signed in", body, "'self'", RESTORE).with("Referrer-Policy", "strict-origin");
  }

  /**
   * Keeps a form in the browser, while its user signs in.
   *
   * @param sealed the form
   */
  static Response keepForm(
      List<OidcProvider> providers, Wish wish, String applicationId, String sealed) {
    String body =
        "<h1>Sign in</h1>\n<p>Your session has ended, or does not suffice. What you sent has not"
            + " been lost: once you have signed in, you are asked whether to send it.</p>\n"
            + links(providers, wish.keeping(), applicationId, "")
            + "\n<p hidden>Your browser does not keep the form. "
            + RELOAD
            + "</p>\n<noscript><p>It takes a script to keep the form, and yours are off. "
            + RELOAD
            + "</p></noscript>\n<input type=\"hidden\" name=\""
            + escape(wish.returnTo())
            + "\" value=\""
            + escape(sealed)
            + "\">"
            + script(KEEP_FORM);
    return scripted(page(401, "Sign in", body, "'none'", KEEP_FORM))
        .with("WWW-Authenticate", CHALLENGE);
  }

  /** Says how a form that cannot be kept is sent nevertheless. */
  static Response formNotKept(List<OidcProvider> providers, Wish wish, String applicationId) {
    String body =
        "<h1>Sign in</h1>\n<p>Your session has ended, or does not suffice. What you sent cannot be"
            + " kept meanwhile, since it has a file, is long, or is of an unusual form.</p>\n<p>"
            + RELOAD
            + "</p>\n"
            + links(providers, wish, applicationId, " target=\"_blank\" rel=\"noopener\"");
    return scripted(page(401, "Sign in", body, "'none'")).with("WWW-Authenticate", CHALLENGE);
  }

  /**
   * Asks whether to send a form that the browser kept. Its target may answer by a redirect to
   * anywhere, as for {@link #askToSignOut}.
   */
  static Response askToSend(Identity identity, String action, List<FormFields.Field> fields) {
    StringBuilder body =
        new StringBuilder("<h1>Send what you wrote?</h1>\n<p>It was for <b>")
            .append(escape(action))
            .append("</b>, and was not sent yet. You are signed in as <b>")
            .append(escape(identity.name()))
            .append("</b>.</p>\n<form method=\"post\" action=\"")
            .append(escape(action))
            .append("\">\n");
    for (FormFields.Field field : fields) {
      body.append("<input type=\"hidden\" name=\"")
          .append(escape(field.name()))
          .append("\" value=\"")
          .append(escape(field.value()))
          .append("\">\n");
    }
    body.append("<button>Send</button>\n</form>");
    return page(
            "Send what you wrote?",
            body.toString(),
            "'self' https: http://localhost:* http://127.0.0.1:*")
        .with("Referrer-Policy", "same-origin");
  }

  private static Response scripted(Response page) {
    return page.with("Referrer-Policy", "no-referrer");
  }

  private static String script(String text) {
    return "\n<script>" + text + "</script>";
  }

  /**
   * With which provider to sign in: links, so that it needs no script.
   *
   * @param wish what the sign-in is for
   * @param keepFragment whether the fragment of the page is to survive the sign-in
   */
  static Response choose(
      int status,
      List<OidcProvider> providers,
      Wish wish,
      String applicationId,
      boolean keepFragment) {
    String body =
        "<h1>Sign in</h1>\n<p>Choose your account.</p>\n"
            + links(providers, wish, applicationId, "");
    Response page =
        keepFragment
            ? page(status, "Sign in", body + script(KEEP_FRAGMENT), "'none'", KEEP_FRAGMENT)
            : page(status, "Sign in", body, "'none'");
    return scripted(page).with("WWW-Authenticate", CHALLENGE);
  }

  private static String links(
      List<OidcProvider> providers, Wish wish, String applicationId, String attributes) {
    StringBuilder links = new StringBuilder("<ul>\n");
    for (OidcProvider provider : providers) {
      links
          .append("<li><a href=\"")
          .append(escape(wish.with(provider, applicationId).path()))
          .append('"')
          .append(attributes)
          .append('>')
          .append(escape(providers.size() == 1 ? "Sign in" : provider.title()))
          .append("</a></li>\n");
    }
    return links.append("</ul>").toString();
  }

  /** For texts and attributes; a plain CR would not survive in one. */
  private static String escape(String text) {
    return text.replace("&", "&amp;")
        .replace("\r", "&#13;")
        .replace("\n", "&#10;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;")
        .replace("'", "&#39;");
  }

  private static Response page(String title, String body, String formAction) {
    return page(200, title, body, formAction);
  }

  private static Response page(int status, String title, String body, String formAction) {
    return page(status, title, body, formAction, null);
  }

  /**
   * A page.
   *
   * @param script the one that may run on it, or null
   */
  private static Response page(
      int status, String title, String body, String formAction, @Nullable String script) {
    String html =
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="robots" content="noindex">
        <title>%s</title>
        <style>%s</style>
        </head>
        <body>
        <main>
        %s
        </main>
        </body>
        </html>
        """
            .formatted(title, STYLE, body);
    return Response.of(status, "text/html; charset=utf-8", html)
        .with(
            "Content-Security-Policy",
            (script == null ? "" : "script-src 'sha256-" + sha256(script) + "'; ")
                + POLICY
                + formAction)
        .with("Cache-Control", "no-store")
        .with("X-Content-Type-Options", "nosniff");
  }

  /** Who is signed in, for pages that want to show it. */
  static Response user(Identity identity) {
    Map<String, Object> user = new LinkedHashMap<>();
    user.put("subject", identity.subject());
    user.put("name", identity.name());
    user.put("issuer", identity.issuer());
    user.put("groups", identity.groups());
    user.put("authenticated_at", identity.authenticatedAt().toString());
    return json(200, "application/json", user);
  }

  /** For transmitters of security events (RFC 8935 §2.3). */
  static Response setError(String code, String description) {
    return json(400, "application/json", Map.of("err", code, "description", description))
        .with("Content-Language", "en");
  }

  /** For programs of a provider, in the form of OAuth's errors. */
  static Response error(int status, String code, String description) {
    return json(
        status, "application/json", Map.of("error", code, "error_description", description));
  }

  /** For programs, which a redirect to a page for people would not help. */
  static Response signInRequired(Exchange exchange, Wish wish) {
    return problem(exchange, ErrorCode.SIGN_IN_REQUIRED, wish, new LinkedHashMap<>(), CHALLENGE);
  }

  /** The same, of a user who is signed in, but not well enough (RFC 9470). */
  static Response stepUpRequired(Exchange exchange, Wish wish, StepUpRequirement requirement) {
    Map<String, Object> demanded = new LinkedHashMap<>();
    demanded.put("reason", requirement.reason());
    StepUp.describe(requirement, demanded);
    String challenge = StepUp.challenge(CHALLENGE, requirement);
    return problem(exchange, ErrorCode.STEP_UP_REQUIRED, wish, demanded, challenge);
  }

  private static Response problem(
      Exchange exchange, ErrorCode code, Wish wish, Map<String, Object> more, String challenge) {
    Map<String, Object> problem = new LinkedHashMap<>();
    problem.put("type", "urn:apprxy:error:" + code.code());
    problem.put("title", code.cause());
    problem.put("status", code.status());
    problem.put("detail", code.cause() + " " + code.remedy());
    problem.put("code", code.code());
    problem.put("request_id", exchange.id());
    problem.put("remedy", code.remedy());
    problem.put("sign_in_url", wish.url(exchange));
    problem.putAll(more);
    return json(code.status(), "application/problem+json", problem)
        .with("WWW-Authenticate", challenge);
  }

  private static Response json(int status, String type, Map<String, Object> value) {
    return Response.of(status, type, JSON.writeValueAsString(value))
        .with("Cache-Control", "no-store")
        .with("X-Content-Type-Options", "nosniff");
  }

  private static String sha256(String text) {
    try {
      byte[] hash =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return Base64.getEncoder().encodeToString(hash);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
