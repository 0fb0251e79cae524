package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.servlet.PreAuthenticationFilter;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A person at a browser whose session at a servlet application ends while they write. */
class ServletPostedFormBrowserIT {
  @TempDir private Path directory;
  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private final ServletApplication application = new ServletApplication();
  private String home;
  private Chromium browser;

  private void start(ServletContainer container) throws Exception {
    DemoCertificates certificates =
        DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    home = "https://localhost:" + DemoSetup.portOrFree(0) + "/";
    String secret = DemoSetup.randomSecret();
    DemoProvider provider =
        opened(
            DemoProvider.start(
                0,
                certificates.server(),
                DemoProvider.Client.gateway("app", secret, URI.create(home))));
    PreAuthenticationFilter filter =
        PreAuthenticationFilter.builder()
            .preAuthentication(
                OidcPreAuthentication.builder()
                    .issuer(provider.issuer().toString())
                    .clientId("app")
                    .clientSecret(secret)
                    .trust(certificates.trust())
                    .build())
            .accessPolicy(new AssignmentPolicy())
            .userName("preferred_username")
            .protect(
                Application.builder("app")
                    .externalUrl(home)
                    .internalUrl(home)
                    .assignEveryone()
                    .build())
            .build();
    opened(
        container.start(
            URI.create(home).getPort(),
            certificates,
            Map.of(
                "",
                context -> {
                  filter.register(context);
                  application.install(context);
                })));
    browser = opened(new Chromium(directory.resolve("profile")));
    browser.open(home + "page");
    browser.type("#username", "alice");
    browser.type("#password", "wonderland");
    browser.click("#submit");
    browser.awaitUrl(home + "page");
  }

  @AfterEach
  void stop() {
    application.close();
    running.forEach(DemoSetup::closeAll);
  }

  @ParameterizedTest
  @EnumSource
  void form_isSentOnce_afterTheSignIn(ServletContainer container) throws Exception {
    start(container);
    browser.script(
        "document.body.innerHTML = '<form id=form method=post action=\"/page?id=7\">"
            + "<input name=text value=\"a b+c\"><button id=save>Save</button></form>'");
    browser.forget("__Host-apprxy-session");

    browser.click("#save");

    assertThat(browser.text("h1")).isEqualTo("Send what you wrote?");
    assertThat(browser.page()).contains("/page?id=7", "signed in as alice");
    browser.click("main button");
    browser.awaitUrl(home + "page?id=7");
    assertThat(browser.page()).contains("user alice", "body text=a+b%2Bc");
  }

  private <T extends AutoCloseable> T opened(T part) {
    running.push(part);
    return part;
  }
}
