package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import io.apprxy.Application;
import io.apprxy.Gateway;
import io.apprxy.auth.oidc.OidcClient;
import io.apprxy.auth.oidc.OidcPreAuthentication;
import io.apprxy.auth.oidc.OidcProvider;
import io.apprxy.auth.policy.AssignmentPolicy;
import io.apprxy.auth.sso.HeaderSignOn;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A person at a browser, in front of a gateway with two providers. */
class SignInBrowserIT {
  @TempDir private Path directory;
  private final Deque<AutoCloseable> running = new ArrayDeque<>();
  private String home;
  private String staff;
  private Chromium browser;

  @BeforeEach
  void start() throws Exception {
    DemoCertificates certificates =
        DemoCertificates.in(DemoSetup.privateDirectory(directory.resolve("demo")));
    home = "https://localhost:" + DemoSetup.portOrFree(0) + "/";
    DemoApplication origin = opened(DemoApplication.start(0));
    OidcPreAuthentication.Builder signIn = OidcPreAuthentication.builder().keepFragments();
    for (String name : new String[] {"staff", "guests"}) {
      String secret = DemoSetup.randomSecret();
      DemoProvider provider =
          opened(
              DemoProvider.start(
                  0,
                  certificates.server(),
                  new DemoProvider.Client(
                      "gateway",
                      secret,
                      Set.of(URI.create(home + ".apprxy/callback/" + name)),
                      URI.create(home))));
      staff = name.equals("staff") ? provider.issuer().toString() : staff;
      signIn.provider(
          OidcProvider.builder(name)
              .title(name.equals("staff") ? "Contoso employees" : "Guests & partners")
              .issuer(provider.issuer().toString())
              .client(OidcClient.builder("gateway").secret(secret).build())
              .trust(certificates.trust())
              .build());
    }
    opened(
        Gateway.builder()
            .host("127.0.0.1")
            .port(URI.create(home).getPort())
            .tls(certificates.server())
            .preAuthentication(signIn.build())
            .accessPolicy(new AssignmentPolicy())
            .signOn(new HeaderSignOn())
            .publish(
                Application.builder("demo")
                    .externalUrl(home)
                    .internalUrl(origin.url().resolve("/").toString())
                    .assignGroups("staff")
                    .headerSignOn(DemoApplication.IDENTITY_HEADERS)
                    .build())
            .build()
            .start());
    browser = opened(new Chromium(directory.resolve("profile")));
  }

  @AfterEach
  void stop() {
    running.forEach(DemoSetup::closeAll);
  }

  @Test
  void fragment_survivesChoiceAndSignIn_andNeverLeavesTheBrowser() throws Exception {
    browser.open(home + "reports?quarter=4#part/2?x");
    assertThat(browser.page()).contains("Contoso employees", "Guests & partners");
    browser.picture("chooser");

    browser.click("li a");
    browser.awaitUrl(staff);
    assertThat(browser.url()).doesNotContain("part");
    signIn();

    browser.awaitUrl(home + "reports");
    assertThat(browser.url()).isEqualTo(home + "reports?quarter=4#part/2?x");
    assertThat(browser.text("#request")).isEqualTo("GET /reports?quarter=4");
  }

  @Test
  void choice_isRemembered_andTheFragmentSurvivesWithoutIt() throws Exception {
    browser.open(home);
    browser.click("li a");
    signIn();
    browser.text("#greeting");
    // The session alone is forgotten, as when it ends: the provider still knows the user.
    browser.forget("__Host-apprxy-session");

    browser.open(home + "again#part");

    browser.awaitUrl(home + "again");
    assertThat(browser.text("#request")).isEqualTo("GET /again");
    assertThat(browser.url()).isEqualTo(home + "again#part");
  }

  private void signIn() {
    browser.type("#username", "alice");
    browser.type("#password", "wonderland");
    browser.click("#submit");
  }

  private <T extends AutoCloseable> T opened(T part) {
    running.push(part);
    return part;
  }
}
