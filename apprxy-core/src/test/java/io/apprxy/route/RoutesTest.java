package io.apprxy.route;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.apprxy.Application;
import io.apprxy.BearerTokens;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RoutesTest {
  private static Application application(String id, String externalUrl) {
    return Application.builder(id)
        .externalUrl(externalUrl)
        .internalUrl("http://origin.test/")
        .assignEveryone()
        .build();
  }

  private static Application passthrough(String id, String externalUrl) {
    return Application.builder(id)
        .externalUrl(externalUrl)
        .internalUrl("http://origin.test/")
        .passthrough()
        .build();
  }

  private static final Routes ROUTES =
      Routes.of(
          List.of(
              application("root", "https://h.test/"),
              application("wiki", "https://h.test/wiki/"),
              application("wiki-admin", "https://h.test/wiki/admin/"),
              application("port", "https://h.test:8443/"),
              application("plain", "http://h.test/"),
              application("only", "https://other.test/only/"),
              application("v6", "https://[2001:DB8::1]/")));

  private static @Nullable String find(Routes routes, String scheme, String host, String target) {
    Application application = routes.find(RequestTarget.parse(scheme, target, List.of(host)));
    return application == null ? null : application.id();
  }

  @ParameterizedTest
  @CsvSource({
    "/.well-known/oauth-protected-resource, root",
    "/.well-known/oauth-protected-resource/wiki, wiki",
    "/.well-known/oauth-protected-resource/wiki/, root",
    "/.well-known/oauth-protected-resource/wiki/x, root",
    "/.well-known/oauth-protected-resource/plain, root",
    "/wiki/.well-known/oauth-protected-resource, wiki"
  })
  void metadataOfAnApplication_isItsOwn_ifItTakesTokens(String path, String id) {
    Routes routes =
        Routes.of(
            List.of(
                takingTokens("root", "https://h.test/"),
                takingTokens("wiki", "https://h.test/wiki/"),
                application("plain", "https://h.test/plain/")));

    assertThat(find(routes, "https", "h.test", path)).isEqualTo(id);
  }

  private static Application takingTokens(String id, String externalUrl) {
    return Application.builder(id)
        .externalUrl(externalUrl)
        .internalUrl("http://origin.test/")
        .assignEveryone()
        .bearerTokens(BearerTokens.forAudiences("api://" + id).build())
        .build();
  }

  @ParameterizedTest
  @CsvSource({
    "https, h.test, /, root",
    "https, H.TEST:443, /, root",
    "https, h.test, /wik, root",
    "https, h.test, /wikis/x, root",
    "https, h.test, /WIKI/x, root",
    "https, h.test, /wiki/, wiki",
    "https, h.test, /wiki/x/y?z, wiki",
    "https, h.test, /%77iki/x, wiki",
    "https, h.test, /wiki/administration, wiki",
    "https, h.test, /wiki/admin/, wiki-admin",
    "https, h.test, /wiki/admin/a/b/c/d/e/f/g, wiki-admin",
    "https, h.test:8443, /wiki/, port",
    "http, h.test, /wiki/, plain",
    "https, other.test, /only/x, only",
    "https, other.test, /,",
    "https, other.test, /onl,",
    "https, h.test:8444, /,",
    "http, h.test:8443, /,",
    "https, x.h.test, /,",
    "https, test, /,",
    "https, [2001:db8::1], /x, v6"
  })
  void target_belongsToTheLongestPrefixOfItsHost(
      String scheme, String host, String target, String id) {
    assertThat(find(ROUTES, scheme, host, target)).isEqualTo(id);
  }

  @Test
  void noApplications_meansNoRoute() {
    assertThat(find(Routes.of(List.of()), "https", "h.test", "/")).isNull();
  }

  @Test
  void reservedPath_belongsToOneApplicationOfTheHost_whateverTheOrder() {
    List<Application> applications =
        new ArrayList<>(
            List.of(
                passthrough("open", "https://h.test/"),
                application("b", "https://h.test/bb/"),
                application("a", "https://h.test/aa/"),
                application("long", "https://h.test/long/")));
    for (int i = 0; i < applications.size(); i++) {
      java.util.Collections.rotate(applications, 1);
      assertThat(find(Routes.of(applications), "https", "h.test", "/.apprxy/callback?code=x"))
          .isEqualTo("a");
    }
    assertThat(find(ROUTES, "https", "other.test", "/.apprxy/callback")).isEqualTo("only");
    assertThat(find(ROUTES, "https", "unknown.test", "/.apprxy/callback")).isNull();
  }

  @ParameterizedTest
  @CsvSource({
    "h.test, /wiki, /wiki/",
    "h.test, /wiki?a=b, /wiki/?a=b",
    "h.test, /wiki?, /wiki/?",
    "h.test, /wiki/admin, /wiki/admin/",
    "other.test, /only, /only/",
    "h.test, /wiki/,",
    "h.test, /,",
    "h.test, /wik,",
    "unknown.test, /wiki,"
  })
  void folderWithoutSlash_isRedirected(String host, String target, String location) {
    assertThat(ROUTES.redirect(RequestTarget.parse("https", target, List.of(host))))
        .isEqualTo(location);
  }

  @Test
  void sameId_isRefused() {
    assertThatThrownBy(
            () ->
                Routes.of(
                    List.of(
                        application("a", "https://a.test/"), application("a", "https://b.test/"))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("two applications have the id a: https://a.test/ and https://b.test/");
  }

  @ParameterizedTest
  @CsvSource({
    "https://a.test/, https://a.test/",
    "https://a.test/, https://A.test/",
    "https://a.test/, https://a.test:443/",
    "http://a.test:80/x/, http://a.test/x/"
  })
  void sameExternalUrl_inAnySpelling_isRefused(String one, String other) {
    assertThatThrownBy(
            () -> Routes.of(List.of(application("one", one), application("other", other))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("applications one and other have the same externalUrl");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "https://a.test/.apprxy/", "https://a.test/.apprxy/x/", "https://a.test//",
            "https://a.test/a//b/", "https://a.test/../",
        "https://a.test/a;b/", "https://a.test/%2f/", "https://a.test/%77iki/",
            "https://a.test/%c3%a9/", "https://a.test:0/",
        "https://a.test./"
      })
  void externalUrl_thatNoRequestCouldHave_isRefused(String url) {
    assertThatThrownBy(() -> Routes.of(List.of(application("app", url))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("application app: externalUrl must");
  }

  @Test
  void pathOfThousandsOfSegments_isFound() {
    assertThat(find(ROUTES, "https", "h.test", "/wiki/" + "a/".repeat(4_000))).isEqualTo("wiki");
  }
}
