package io.apprxy.examples;

import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;

/**
 * The look that the demo's pages share, and the headers that keep anything but this look from
 * running in them.
 */
final class DemoPage {
  private static final String STYLE =
      """
      :root{--ink:#1c2333;--soft:#5b6478;--line:#dfe3ec;--paper:#fff;--back:#f3f5f9;--main:#2f5bea;--bad:#b3261e}
      *{box-sizing:border-box}
      body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
      main{max-width:28rem;margin:6vh auto;padding:0 1rem}main.wide{max-width:54rem}
      section{background:var(--paper);border:1px solid var(--line);border-radius:.75rem;padding:1.75rem 2rem;margin-bottom:1rem;
        box-shadow:0 1px 3px rgba(28,35,51,.06)}
      .kind{font-size:.8rem;letter-spacing:.04em;text-transform:uppercase;color:var(--soft);margin:0 0 .5rem}
      h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem}h2{font-size:1.05rem;margin:0 0 .75rem}
      p{margin:.4rem 0}.soft{color:var(--soft)}.bad{color:var(--bad);font-weight:600}
      label{display:block;margin:.9rem 0 .25rem;font-weight:600}label.check{font-weight:400}
      input[type=text],input[type=password]{width:100%;font:inherit;padding:.55rem .7rem;border:1px solid #b9c0cf;
        border-radius:.45rem;background:#fff;color:inherit}
      input:focus-visible,button:focus-visible,a:focus-visible{outline:3px solid #9db4ff;outline-offset:1px}
      button,.button{display:inline-block;font:inherit;font-weight:600;color:#fff;background:var(--main);border:0;
        border-radius:.45rem;padding:.6rem 1.2rem;margin-top:1.2rem;cursor:pointer;text-decoration:none}
      .button.quiet{background:#fff;color:var(--ink);border:1px solid #b9c0cf}
      form button{width:100%}
      table{border-collapse:collapse;width:100%;font-size:.92rem}
      th,td{text-align:left;padding:.4rem .6rem;border-top:1px solid var(--line);vertical-align:top}
      th{font-weight:600;white-space:nowrap}thead th{border-top:0;color:var(--soft);font-weight:400}
      code,td.value{font-family:ui-monospace,"DejaVu Sans Mono",Consolas,monospace;font-size:.86rem;overflow-wrap:anywhere}
      tr.identity th,tr.identity td{background:#eaf0ff}
      nav a{margin-right:1rem}a{color:var(--main)}
      """;

  private static final String STYLE_SOURCE = "'sha256-" + sha256(STYLE) + "'";

  private DemoPage() {}

  /**
   * Ends the exchange with a page.
   *
   * @param body HTML, in which every foreign text went through {@link #escape}
   * @param formTargets the only places that a form of the page may lead to, redirects included (CSP
   *     Level 3, form-action)
   */
  static void send(
      HttpServerExchange exchange, int status, String title, String body, String... formTargets) {
    String formAction = formTargets.length == 0 ? "'none'" : String.join(" ", formTargets);
    exchange
        .setStatusCode(status)
        .getResponseHeaders()
        .put(Headers.CONTENT_TYPE, "text/html; charset=utf-8")
        .put(Headers.CACHE_CONTROL, "no-store")
        .put(HttpString.tryFromString("X-Content-Type-Options"), "nosniff")
        .put(HttpString.tryFromString("Referrer-Policy"), "no-referrer")
        .put(
            HttpString.tryFromString("Content-Security-Policy"),
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src "
                + STYLE_SOURCE
                + "; form-action "
                + formAction);
    exchange
        .getResponseSender()
        .send(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>"
                + escape(title)
                + "</title><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>"
                + STYLE
                + "</style></head><body>"
                + body
                + "</body></html>\n",
            StandardCharsets.UTF_8);
  }

  /** Text that is safe in HTML, in element content and in quoted attributes. */
  static String escape(String text) {
    StringBuilder safe = new StringBuilder(text.length() + 16);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '<' -> safe.append("&lt;");
        case '>' -> safe.append("&gt;");
        case '&' -> safe.append("&amp;");
        case '"' -> safe.append("&quot;");
        case '\'' -> safe.append("&#39;");
        default -> safe.append(c);
      }
    }
    return safe.toString();
  }

  private static String sha256(String text) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
      return Base64.getEncoder().encodeToString(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every JDK has it
    }
  }
}
