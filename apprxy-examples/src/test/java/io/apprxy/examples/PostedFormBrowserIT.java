package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import io.undertow.Undertow;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.Methods;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A person at a browser whose session ends while they write. */
class PostedFormBrowserIT {
  /** The fields that an application may have, and a browser sends in its own ways. */
  private static final String PAGE =
      """
      <!doctype html><meta charset="utf-8"><title>Edit</title>
      <form id="plain" method="post" action="/save?id=7">
      <textarea name="text">First "line" &lt;b&gt;
      second: Grüße, € 😀 &amp;amp;</textarea>
      <input name="tag" value="a b"><input name="tag" value="a+b%41">
      <input name="empty"><input name="it's" value="'quoted'">
      <input type="hidden" name="_charset_"><input name="submit" value="shadows">
      <button id="save" name="action" value="save">Save</button></form>
      <form id="file" method="post" action="/upload" enctype="multipart/form-data">
      <input id="choice" type="file" name="file"><button id="upload">Upload</button></form>
      """;

  @TempDir private Path directory;
  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private final List<String> saved = new CopyOnWriteArrayList<>();
  private String home;
  private String issuer;
  private Chromium browser;

  @BeforeEach
  void start() throws Exception {
    DemoCertificates certificates =
        DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    home = "https://localhost:" + DemoSetup.portOrFree(0) + "/";
    String secret = DemoSetup.randomSecret();
    DemoProvider provider =
        opened(
            DemoProvider.start(
                0,
                certificates.server(),
                DemoProvider.Client.gateway("gateway", secret, URI.create(home))));
    issuer = provider.issuer().toString();
    Undertow origin =
        Undertow.builder().addHttpListener(0, "127.0.0.1").setHandler(this::answer).build();
    origin.start();
    running.push(origin::stop);
    int port = ((InetSocketAddress) origin.getListenerInfo().get(0).getAddress()).getPort();
    opened(
        Gateway.builder()
            .host("127.0.0.1")
            .port(URI.create(home).getPort())
            .tls(certificates.server())
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(issuer)
                    .clientId("gateway")
                    .clientSecret(secret)
                    .trust(certificates.trust())
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .signOn(new HeaderSignOn())
            .publish(
                Application.builder("demo")
                    .externalUrl(home)
                    .internalUrl("http://127.0.0.1:" + port + "/")
                    .assignEveryone()
                    .headerSignOn(DemoApplication.IDENTITY_HEADERS)
                    .build())
            .build()
            .start());
    browser = opened(new Chromium(directory.resolve("profile")));
    browser.open(home + "edit");
    signIn("alice", "wonderland");
    browser.awaitUrl(home + "edit");
  }

  @AfterEach
  void stop() {
    running.forEach(DemoSetup::closeAll);
  }

  @Test
  void form_isSentOnce_afterTheSignIn_byteForByte() throws Exception {
    browser.click("#save");
    assertThat(browser.text("#saved")).isEqualTo("saved for alice");
    String direct = saved.get(0);
    browser.open(home + "edit");
    browser.forget("__Host-apprxy-session");

    browser.click("#save");

    assertThat(browser.text("h1")).isEqualTo("Send what you wrote?");
    assertThat(browser.page()).contains("/save?id=7", "signed in as alice");
    assertThat(saved).as("that nothing is sent before the user says so").hasSize(1);
    browser.picture("posted-form");
    browser.click("main button");
    assertThat(browser.text("#saved")).isEqualTo("saved for alice");
    assertThat(browser.url()).isEqualTo(home + "save?id=7");
    assertThat(saved).containsExactly(direct, direct);
    assertThat(browser.script("return sessionStorage.length")).isEqualTo(0L);
  }

  /** The next one at a shared desk sees as whom they would send it. */
  @Test
  void form_isSentAsWhoeverIsSignedInThen_andSaysSo() throws Exception {
    browser.script("open('/.apprxy/sign-out')");
    browser.inTheOtherTab(() -> browser.awaitUrl(home + ".apprxy/signed-out"));

    browser.click("#save");
    browser.awaitUrl(issuer);
    signIn("bob", "builder");

    assertThat(browser.text("h1")).isEqualTo("Send what you wrote?");
    assertThat(browser.page()).contains("signed in as bob");
    assertThat(saved).isEmpty();
  }

  @Test
  void file_isSentByAReload_afterASignInElsewhere() throws Exception {
    Path file = Files.writeString(directory.resolve("report.txt"), "the report");
    browser.type("#choice", file.toString());
    browser.forget("__Host-apprxy-session");

    browser.click("#upload");

    assertThat(browser.text("h1")).isEqualTo("Sign in");
    assertThat(browser.page()).contains("cannot be kept", "reload this page");
    browser.picture("posted-file");
    assertThat(saved).isEmpty();
    browser.click("main a");
    browser.inTheOtherTab(() -> browser.awaitUrl(home + "upload"));
    browser.reload();
    assertThat(browser.text("#saved")).isEqualTo("saved for alice");
    assertThat(saved).hasSize(1).first().asString().contains("the report");
  }

  private void answer(HttpServerExchange exchange) {
    exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, "text/html; charset=utf-8");
    if (!exchange.getRequestMethod().equals(Methods.POST)) {
      exchange.getResponseSender().send(PAGE);
      return;
    }
    String user = exchange.getRequestHeaders().getFirst("X-User");
    exchange
        .getRequestReceiver()
        .receiveFullBytes(
            (sender, body) -> {
              saved.add(
                  exchange.getRequestHeaders().getFirst(Headers.CONTENT_TYPE)
                      + "\n"
                      + new String(body, StandardCharsets.ISO_8859_1));
              sender.getResponseSender().send("<p id=saved>saved for " + user + "</p>");
            });
  }

  private void signIn(String user, String password) {
    browser.type("#username", user);
    browser.type("#password", password);
    browser.click("#submit");
  }

  private <T extends AutoCloseable> T opened(T part) {
    running.push(part);
    return part;
  }
}
