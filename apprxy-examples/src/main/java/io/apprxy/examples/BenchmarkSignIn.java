package io.apprxy.examples;

import io.apprxy.examples.BenchmarkContender.Running;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Rivals that sign users in, as apprxy's gateway does, and let a group pass. */
final class BenchmarkSignIn {
  private static final String CLIENT = "apprxy-demo";
  private static final Path HTTPD_MODULES = Path.of("/usr/lib/apache2/modules");
  private static final Path SPRING_PROJECT = Path.of("src/benchmark/spring-cloud-gateway/pom.xml");
  private static final int BUILD_SECONDS = 300;

  private BenchmarkSignIn() {}

  /** With its sessions in the cookies of clients, as apprxy's are. */
  static Running httpd(BenchmarkBed bed) throws Exception {
    String program = BenchmarkBed.program("apache2", "apache2 libapache2-mod-auth-openidc");
    if (!Files.exists(HTTPD_MODULES.resolve("mod_auth_openidc.so"))) {
      throw new IOException(
          "mod_auth_openidc is not there: apt-get install libapache2-mod-auth-openidc");
    }
    int port = BenchmarkBed.freePort();
    URI home = URI.create("https://localhost:" + port + "/");
    Path folder = Files.createTempDirectory(bed.directory, "httpd");
    return signedIn(
        bed,
        home,
        home.resolve("/oidc/callback"),
        (issuer, secret) -> {
          Path configuration = folder.resolve("httpd.conf");
          DemoSetup.writePrivate(
              configuration,
              httpdConfiguration()
                  .formatted(
                      folder,
                      folder,
                      modules(),
                      port,
                      bed.chain,
                      bed.key,
                      issuer,
                      CLIENT,
                      secret,
                      home.resolve("/oidc/callback"),
                      DemoSetup.randomSecret(),
                      bed.originPort,
                      bed.originPort));
          return bed.start(List.of(program, "-D", "FOREGROUND", "-f", configuration.toString()));
        });
  }

  private static String modules() {
    return Stream.of(
            "mpm_event",
            "authn_core",
            "authz_core",
            "authz_user",
            "socache_shmcb",
            "ssl",
            "proxy",
            "proxy_http",
            "auth_openidc")
        .map(name -> "LoadModule %s_module %s/mod_%s.so".formatted(name, HTTPD_MODULES, name))
        .collect(Collectors.joining("\n"));
  }

  private static String httpdConfiguration() {
    return """
        ServerRoot %s
        DefaultRuntimeDir %s
        PidFile httpd.pid
        ErrorLog error.log
        LogLevel warn
        %s
        Mutex sem
        Listen 127.0.0.1:%d
        ServerName localhost
        User www-data
        Group www-data
        ThreadsPerChild 64
        MaxRequestWorkers 1024
        MaxKeepAliveRequests 0
        KeepAliveTimeout 60
        SSLEngine on
        SSLCertificateFile %s
        SSLCertificateKeyFile %s
        SSLSessionCache shmcb:session-cache
        OIDCProviderMetadataURL %s/.well-known/openid-configuration
        # It is asked once, before anything is measured, and its certificate is this benchmark's own.
        OIDCSSLValidateServer Off
        OIDCClientID %s
        OIDCClientSecret %s
        OIDCRedirectURI %s
        OIDCCryptoPassphrase %s
        OIDCSessionType client-cookie
        OIDCPKCEMethod S256
        OIDCScope "openid profile email groups"
        OIDCRemoteUserClaim preferred_username
        <Location "/">
          AuthType openid-connect
          Require claim groups:staff
          ProxyPass http://127.0.0.1:%d/
          ProxyPassReverse http://127.0.0.1:%d/
        </Location>
        """;
  }

  /** Built by Maven when it is needed: its libraries are on no class path of apprxy. */
  static Running spring(BenchmarkBed bed, Path java) throws Exception {
    Path project =
        Stream.of(SPRING_PROJECT, Path.of("apprxy-examples").resolve(SPRING_PROJECT))
            .filter(Files::exists)
            .findFirst()
            .orElseThrow(() -> new IOException("start the benchmark in the folder of its sources"));
    Path folder = Files.createTempDirectory(bed.directory, "spring");
    Process build =
        bed.start(
            List.of(
                BenchmarkBed.program("mvn", "maven"),
                "-B",
                "-q",
                "-f",
                project.toString(),
                "-Drival.directory=" + folder,
                "package"));
    if (!build.waitFor(BUILD_SECONDS, TimeUnit.SECONDS) || build.exitValue() != 0) {
      throw new IOException("Spring Cloud Gateway was not built; see the logs in " + bed.directory);
    }
    int port = BenchmarkBed.freePort();
    URI home = URI.create("https://localhost:" + port + "/");
    return signedIn(
        bed,
        home,
        home.resolve("/login/oauth2/code/demo"),
        (issuer, secret) -> {
          Path settings = folder.resolve("application.properties");
          DemoSetup.writePrivate(
              settings,
              """
              origin=http://127.0.0.1:%d
              server.address=127.0.0.1
              server.port=%d
              server.http2.enabled=true
              server.ssl.certificate=%s
              server.ssl.certificate-private-key=%s
              logging.level.root=WARN
              spring.cloud.gateway.server.webflux.httpclient.pool.max-connections=512
              spring.security.oauth2.client.provider.demo.issuer-uri=%s
              spring.security.oauth2.client.registration.demo.client-id=%s
              spring.security.oauth2.client.registration.demo.client-secret=%s
              spring.security.oauth2.client.registration.demo.scope=openid,profile,email,groups
              """
                  .formatted(
                      bed.originPort,
                      port,
                      bed.chain.toUri(),
                      bed.key.toUri(),
                      issuer,
                      CLIENT,
                      secret));
          Path trust = trustStore(bed, folder);
          return bed.javaJar(
              java,
              folder.resolve("rival.jar"),
              List.of(
                  "-Djavax.net.ssl.trustStore=" + trust,
                  "-Djavax.net.ssl.trustStorePassword=public"),
              "--spring.config.location=" + settings.toUri());
        });
  }

  private static Path trustStore(BenchmarkBed bed, Path folder) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setCertificateEntry("ca", bed.certificates.ca());
    Path file = folder.resolve("trust.p12");
    try (var out = Files.newOutputStream(file)) {
      store.store(out, "public".toCharArray()); // it holds no secret
    }
    return file;
  }

  /** Starts a rival that relies on a provider. */
  private interface Start {
    Process with(URI issuer, String secret) throws Exception;
  }

  private static Running signedIn(BenchmarkBed bed, URI home, URI redirectUri, Start start)
      throws Exception {
    String secret = DemoSetup.randomSecret();
    DemoProvider.Client client = new DemoProvider.Client(CLIENT, secret, Set.of(redirectUri), home);
    try (DemoProvider provider = DemoProvider.start(0, bed.certificates.server(), client)) {
      Process process = start.with(provider.issuer(), secret);
      URI page = home.resolve("/" + BenchmarkWorkload.SMALL);
      DemoBrowser browser = new DemoBrowser(bed.certificates.trust());
      bed.await(() -> DemoBrowser.ticket(browser.open(page)) == null ? 0 : 200);
      browser.signIn(page, DemoProvider.USERS.get(0), false);
      bed.await(() -> browser.open(page).statusCode());
      if (new DemoBrowser(bed.certificates.trust()).open(page).body().contains("the end.")) {
        throw new IOException("a stranger gets the page, too");
      }
      return new Running(home.getPort(), "", browser.cookies(home), List.of(process));
    }
  }
}
