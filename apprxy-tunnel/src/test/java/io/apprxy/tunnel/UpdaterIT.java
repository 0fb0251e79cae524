package io.apprxy.tunnel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import com.sun.net.httpserver.HttpHandler;
import io.apprxy.tunnel.UpdateException.Reason;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.time.Duration;
import java.util.Arrays;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import javax.net.ssl.HostnameVerifier;
import javax.net.ssl.HttpsURLConnection;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Downloads from a real server, which does everything that a server should not. */
class UpdaterIT {
  private static final byte[] FILE = new byte[300_000];

  private static final TestTls tls = new TestTls();

  static {
    new Random(7).nextBytes(FILE);
  }

  @TempDir private Path directory;
  private final KeyPair key = TestRelease.newKey();
  private final TestClock clock = new TestClock();
  private final TestRelease release = new TestRelease(tls.server("localhost"));
  private final CountDownLatch stalled = new CountDownLatch(1);

  @BeforeEach
  void publish() throws IOException {
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
    Files.writeString(directory.resolve("connector-1.3.0.jar"), "the release that runs");
    release.publish("1.4.0", FILE, key);
  }

  @AfterEach
  void close() {
    stalled.countDown();
    release.close();
  }

  private Updater.Builder settings() {
    return Updater.builder()
        .manifest(release.url("/connector.json"))
        .key(key.getPublic())
        .directory(directory)
        .running("1.3.0")
        .trust(tls.client())
        .clock(clock);
  }

  // ---- what is right

  @Test
  void release_thatIsSigned_isPutInPlace_forItsOwnerAlone() throws Exception {
    Updater.Release found = settings().build().update("1.4.0");

    assertThat(found)
        .isEqualTo(new Updater.Release("1.4.0", directory.resolve("connector-1.4.0.jar")));
    assertThat(found.file()).hasBinaryContent(FILE);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(found.file())))
        .isEqualTo("rw-------");
    assertThat(names()).containsExactlyInAnyOrder("connector-1.3.0.jar", "connector-1.4.0.jar");
  }

  @Test
  void release_newerThanAnnounced_isTaken() throws Exception {
    assertThat(settings().build().update("1.3.5").version()).isEqualTo("1.4.0");
  }

  @Test
  void release_signedWithTheNextKey_isTaken_whereBothArePinned() throws Exception {
    KeyPair next = TestRelease.newKey();
    release.publish("1.4.0", FILE, next);

    assertThat(settings().key(next.getPublic()).build().update("1.4.0").version())
        .isEqualTo("1.4.0");
  }

  @Test
  void release_inADirectoryBesideTheManifest_isFound() throws Exception {
    String manifest =
        TestRelease.manifest("1.4.0", FILE)
            .replace("connector-1.4.0.jar", "files/connector-1.4.0.jar");
    release.publish(manifest, key);
    release.serve("/files/connector-1.4.0.jar", FILE);

    assertThat(settings().build().update("1.4.0").file())
        .isEqualTo(directory.resolve("connector-1.4.0.jar"));
  }

  @Test
  void redirect_withinTheHost_isFollowed_andTheRestIsThere() throws Exception {
    release.redirect("/newest.json", release.url("/connector.json"));
    Updater updater = settings().manifest(release.url("/newest.json")).build();

    assertThat(updater.update("1.4.0").version()).isEqualTo("1.4.0");
    assertThat(release.asked)
        .containsExactly(
            "/newest.json", "/connector.json", "/connector.json.sig", "/connector-1.4.0.jar");
  }

  @Test
  void partsOfADownloadThatWasKilled_areRemovedByTheNext() throws Exception {
    Files.writeString(directory.resolve(".apprxy-update-1.part"), "half");

    settings().build().update("1.4.0");

    assertThat(names()).containsExactlyInAnyOrder("connector-1.3.0.jar", "connector-1.4.0.jar");
  }

  @Test
  void release_thatIsThereAlready_isReplacedByTheSame() throws Exception {
    Files.writeString(directory.resolve("connector-1.4.0.jar"), "torn by a power cut");

    assertThat(settings().build().update("1.4.0").file()).hasBinaryContent(FILE);
  }

  // ---- what is refused, and changes nothing

  @Test
  void manifest_thatAnotherKeySigned_changesNothing() throws Exception {
    release.publish("1.4.0", FILE, TestRelease.newKey());

    assertRefused(Reason.SIGNATURE, settings());
    assertThat(release.asked)
        .as("the file is not even asked for")
        .doesNotContain("/connector-1.4.0.jar");
  }

  @Test
  void manifest_thatWasAltered_changesNothing() throws Exception {
    byte[] evil = "evil".getBytes(StandardCharsets.UTF_8);
    release.serve(
        "/connector.json", TestRelease.manifest("1.4.0", evil).getBytes(StandardCharsets.UTF_8));
    release.serve("/connector-1.4.0.jar", evil);

    assertRefused(Reason.SIGNATURE, settings());
  }

  @Test
  void signature_thatIsMissing_changesNothing() throws Exception {
    release.serve("/connector.json.sig", exchange -> exchange.sendResponseHeaders(404, -1));

    assertRefused(Reason.UNREACHABLE, settings());
  }

  @Test
  void signature_thatIsEmpty_changesNothing() throws Exception {
    release.serve("/connector.json.sig", new byte[0]);

    assertRefused(Reason.SIGNATURE, settings());
  }

  @Test
  void signature_thatIsTooLong_changesNothing() throws Exception {
    release.serve("/connector.json.sig", new byte[65]);

    assertRefused(Reason.SIZE, settings());
  }

  @Test
  void file_thatWasSwapped_changesNothing() throws Exception {
    byte[] another = FILE.clone();
    another[another.length / 2] ^= 1;
    release.serve("/connector-1.4.0.jar", another);

    assertRefused(Reason.HASH, settings());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 299_999})
  void file_thatIsTruncated_changesNothing(int length) throws Exception {
    release.serve("/connector-1.4.0.jar", Arrays.copyOf(FILE, length));

    assertRefused(Reason.SIZE, settings());
  }

  @Test
  void file_thatIsTooLong_changesNothing() throws Exception {
    release.serve("/connector-1.4.0.jar", Arrays.copyOf(FILE, FILE.length + 1));

    assertRefused(Reason.SIZE, settings());
  }

  @Test
  void file_thatNeverEnds_isCutOff() throws Exception {
    release.serve(
        "/connector-1.4.0.jar",
        exchange -> {
          exchange.sendResponseHeaders(200, 0); // chunked
          while (true) {
            exchange.getResponseBody().write(FILE); // until the other side closes
          }
        });

    assertRefused(Reason.SIZE, settings());
  }

  @Test
  void file_thatBreaksOff_changesNothing() throws Exception {
    release.serve("/connector-1.4.0.jar", cutAfter(FILE, 100_000));

    assertRefused(Reason.UNREACHABLE, settings());
  }

  @Test
  void file_largerThanAllowed_isNotEvenAskedFor() throws Exception {
    assertRefused(Reason.SIZE, settings().maxBytes(FILE.length - 1));
    assertThat(release.asked).doesNotContain("/connector-1.4.0.jar");
  }

  @Test
  void manifest_thatNeverEnds_isCutOff() throws Exception {
    release.serve("/connector.json", new byte[64 * 1024 + 1]);

    assertRefused(Reason.SIZE, settings());
  }

  @ParameterizedTest
  @CsvSource({
    "1.4.0, 1.4.0",
    "1.4.1, 1.4.0",
    "2.0.0, 1.4.0",
    "1.4.0, 1.4.0-rc.1",
    "1.4.0, 1.4.0+another",
  })
  void manifest_thatIsReplayed_neverDowngrades(String running, String replayed) throws Exception {
    release.publish(replayed, FILE, key);

    assertRefused(Reason.DOWNGRADE, settings().running(running), "1.0.0");
  }

  @Test
  void manifest_olderThanAnnounced_isRefused() throws Exception {
    assertRefused(Reason.OLDER_THAN_ANNOUNCED, settings(), "1.5.0");
  }

  @Test
  void manifest_thatHasExpired_isRefused() throws Exception {
    clock.advance(Duration.ofDays(364));

    assertRefused(Reason.EXPIRED, settings());
  }

  @Test
  void release_forANewerJava_isRefused() throws Exception {
    release.publish(TestRelease.manifest("1.4.0", FILE).replace("17", "99"), key);

    assertRefused(Reason.JAVA, settings());
  }

  @Test
  void redirect_toAnotherHost_isRefused_andNotFollowed() throws Exception {
    try (TestRelease another = new TestRelease(tls.server("localhost"))) {
      another.publish("1.4.0", FILE, key);
      release.redirect("/connector.json", another.url("/connector.json"));
      assertRefused(Reason.REDIRECT, settings());

      release.publish("1.4.0", FILE, key);
      release.redirect("/connector.json.sig", another.url("/connector.json.sig"));
      assertRefused(Reason.REDIRECT, settings());

      release.publish("1.4.0", FILE, key);
      release.redirect("/connector-1.4.0.jar", another.url("/connector-1.4.0.jar"));
      assertRefused(Reason.REDIRECT, settings());

      assertThat(another.asked).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://localhost/x",
        "file:///etc/passwd",
        "mailto:a@b",
        "https:x",
        "//evil.test/x",
        "::"
      })
  void redirect_toAnotherScheme_orToNoUrl_isRefused(String location) throws Exception {
    release.redirect("/connector.json", location);

    assertRefused(Reason.REDIRECT, settings());
  }

  @Test
  void redirect_inACircle_ends() throws Exception {
    release.redirect("/connector.json", "/connector.json");

    assertRefused(Reason.REDIRECT, settings());
  }

  @ParameterizedTest
  @ValueSource(ints = {204, 301, 304, 401, 404, 500})
  void answer_withoutAFile_changesNothing(int status) throws Exception {
    release.serve("/connector-1.4.0.jar", exchange -> exchange.sendResponseHeaders(status, -1));

    assertRefused(Reason.UNREACHABLE, settings());
  }

  // ---- who is not the server

  @Test
  void server_ofAnUnknownCa_isRefused() throws Exception {
    assertRefused(Reason.CERTIFICATE, settings().trust(new TestTls().client()));
    assertThat(release.asked).isEmpty();
  }

  @Test
  void server_ofAnotherName_isRefused_whateverTheJvmAccepts() throws Exception {
    try (TestRelease another = new TestRelease(tls.server("other.test"))) {
      another.publish("1.4.0", FILE, key);

      HostnameVerifier before = HttpsURLConnection.getDefaultHostnameVerifier();
      HttpsURLConnection.setDefaultHostnameVerifier((host, session) -> true);
      try {
        assertRefused(Reason.CERTIFICATE, settings().manifest(another.url("/connector.json")));
      } finally {
        HttpsURLConnection.setDefaultHostnameVerifier(before);
      }
      assertThat(another.asked).isEmpty();
    }
  }

  @Test
  void server_thatIsNotThere_isTold() throws Exception {
    release.close();

    assertRefused(Reason.UNREACHABLE, settings());
  }

  // ---- proxy

  @Test
  void release_behindAProxy_isDownloadedThroughIt() throws Exception {
    try (TestProxy proxy = new TestProxy("user:päss")) {
      Updater updater =
          settings().proxy("127.0.0.1", proxy.port()).proxyCredentials("user", "päss").build();

      assertThat(updater.update("1.4.0").file()).hasBinaryContent(FILE);
      assertThat(proxy.requested).hasSize(3).containsOnly(release.url("").substring(8));
    }
  }

  @Test
  void proxy_thatRefuses_isTold_withWhatCanBeDone() throws Exception {
    try (TestProxy proxy = new TestProxy("user:password")) {
      Updater.Builder behind = settings().proxy("127.0.0.1", proxy.port());

      assertThat(refusal(behind, "1.4.0"))
          .hasMessageContaining("the proxy 127.0.0.1:" + proxy.port())
          .hasMessageContaining("proxyCredentials(user, password)");
      assertThat(refusal(behind.proxyCredentials("user", "wrong-secret"), "1.4.0"))
          .hasMessageContaining("does not accept the credentials")
          .hasMessageNotContaining("wrong-secret");
      assertThat(release.asked).isEmpty();
    }
  }

  @Test
  void proxy_thatIsSilent_isGivenUp() throws Exception {
    try (ServerSocket silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertRefused(
          Reason.TIMEOUT,
          settings().proxy("127.0.0.1", silent.getLocalPort()).timeout(Duration.ofMillis(200)));
    }
  }

  // ---- time

  @Test
  void server_thatStalls_isGivenUp() throws Exception {
    release.serve("/connector-1.4.0.jar", stallAfter(FILE, 100_000));

    assertRefused(Reason.TIMEOUT, settings().timeout(Duration.ofMillis(200)));
  }

  @Test
  void server_thatSendsAByteNowAndThen_isGivenUp() throws Exception {
    release.serve(
        "/connector-1.4.0.jar",
        exchange -> {
          exchange.sendResponseHeaders(200, FILE.length);
          for (int i = 0; !await(stalled, 20); i++) {
            exchange.getResponseBody().write(FILE, i, 1);
            exchange.getResponseBody().flush();
          }
        });

    assertRefused(Reason.TIMEOUT, settings().deadline(Duration.ofMillis(500)));
  }

  @Test
  void download_thatIsInterrupted_ends() throws Exception {
    CountDownLatch asked = new CountDownLatch(1);
    HttpHandler endless =
        exchange -> {
          exchange.sendResponseHeaders(200, FILE.length);
          asked.countDown();
          for (int i = 0; !await(stalled, 5); i++) {
            exchange.getResponseBody().write(FILE, i, 1);
            exchange.getResponseBody().flush();
          }
        };
    release.serve("/connector-1.4.0.jar", endless);
    CompletableFuture<UpdateException> failure = new CompletableFuture<>();
    Updater updater = settings().build();
    Thread downloading =
        new Thread(
            () ->
                failure.complete(
                    catchThrowableOfType(UpdateException.class, () -> updater.update("1.4.0"))));
    downloading.start();
    asked.await();

    downloading.interrupt();

    assertThat(failure.get(30, TimeUnit.SECONDS)).isNotNull();
    assertThat(names()).containsExactly("connector-1.3.0.jar");
  }

  @Test
  void directory_whileAReleaseComes_showsNoneThatCouldBeRun() throws Exception {
    AtomicReference<Set<String>> seen = new AtomicReference<>();
    release.serve(
        "/connector-1.4.0.jar",
        exchange -> {
          exchange.sendResponseHeaders(200, FILE.length);
          exchange.getResponseBody().write(FILE, 0, 100_000);
          exchange.getResponseBody().flush();
          seen.set(names());
          exchange.getResponseBody().write(FILE, 100_000, FILE.length - 100_000);
        });

    settings().build().update("1.4.0");

    assertThat(seen.get())
        .filteredOn(name -> !name.startsWith("."))
        .containsExactly("connector-1.3.0.jar");
  }

  // ---- disk

  @Test
  void directory_thatIsGone_isTold() throws Exception {
    Updater updater =
        settings().directory(Files.createDirectory(directory.resolve("gone"))).build();
    Files.delete(directory.resolve("gone"));

    UpdateException failure =
        catchThrowableOfType(UpdateException.class, () -> updater.update("1.4.0"));

    assertThat(failure.reason()).isEqualTo(Reason.NOT_WRITTEN);
    assertThat(failure.reason().isRefusal()).isFalse();
  }

  // ---- settings

  @Test
  void updater_withoutWhatItNeeds_isRefused_namingIt() throws Exception {
    Updater.Builder none = Updater.builder();
    assertThatThrownBy(none::build).hasMessageContaining("key(");
    assertThatThrownBy(none.key(key.getPublic())::build).hasMessageContaining("manifest(");
    assertThatThrownBy(none.manifest("https://releases.test/a.json")::build)
        .hasMessageContaining("directory(");
    assertThatThrownBy(none.directory(directory)::build).hasMessageContaining("running(");
    assertThatThrownBy(none.running("1.0.0").proxyCredentials("a", "b")::build)
        .hasMessageContaining("proxy(");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://releases.test/a.json",
        "https://releases.test",
        "https://releases.test/",
        "https://releases.test/a.json?b",
        "https://releases.test/a.json#b",
        "https://user@releases.test/a.json",
        "file:///a.json",
        "a.json"
      })
  void manifest_thatIsNoHttpsFile_isRefused(String url) {
    assertThatThrownBy(() -> Updater.builder().manifest(url))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining(url);
  }

  @ParameterizedTest
  @ValueSource(strings = {"Ed448", "RSA", "EC", "X25519"})
  void key_ofAnotherAlgorithm_isRefused(String algorithm) throws Exception {
    PublicKey another = KeyPairGenerator.getInstance(algorithm).generateKeyPair().getPublic();

    assertThatThrownBy(() -> Updater.builder().key(another))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("Ed25519");
  }

  @Test
  void bounds_areChecked() {
    assertThatThrownBy(() -> Updater.builder().maxBytes(0)).hasMessageContaining("maxBytes");
    assertThatThrownBy(() -> Updater.builder().timeout(Duration.ZERO))
        .hasMessageContaining("timeout");
    assertThatThrownBy(() -> Updater.builder().deadline(Duration.ofHours(2)))
        .hasMessageContaining("deadline");
    assertThatThrownBy(() -> Updater.builder().proxy("proxy.test", 0)).hasMessageContaining("port");
    assertThatThrownBy(() -> Updater.builder().running("one")).hasMessageContaining("one");
  }

  @Test
  void directory_thatOthersMayWriteTo_isRefused() throws Exception {
    Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxr-x"));

    assertThatThrownBy(() -> Updater.builder().directory(directory))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("chmod go-w " + directory);
  }

  private void assertRefused(Reason reason, Updater.Builder settings) throws IOException {
    assertRefused(reason, settings, "1.4.0");
  }

  private void assertRefused(Reason reason, Updater.Builder settings, String announced)
      throws IOException {
    UpdateException refusal = refusal(settings, announced);

    assertThat(refusal.reason()).as("%s", refusal).isEqualTo(reason);
    assertThat(names()).containsExactly("connector-1.3.0.jar");
    assertThat(directory.resolve("connector-1.3.0.jar")).hasContent("the release that runs");
  }

  private static UpdateException refusal(Updater.Builder settings, String announced) {
    Updater updater = settings.build();
    return catchThrowableOfType(UpdateException.class, () -> updater.update(announced));
  }

  private Set<String> names() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return Set.copyOf(files.map(file -> file.getFileName().toString()).toList());
    }
  }

  private HttpHandler stallAfter(byte[] content, int bytes) {
    return exchange -> {
      exchange.sendResponseHeaders(200, content.length);
      exchange.getResponseBody().write(content, 0, bytes);
      exchange.getResponseBody().flush();
      await(stalled, 60_000);
    };
  }

  /** The server closes the connection when the body it announced has not come. */
  private static HttpHandler cutAfter(byte[] content, int bytes) {
    return exchange -> {
      exchange.sendResponseHeaders(200, content.length);
      exchange.getResponseBody().write(content, 0, bytes);
      throw new IOException("broken off, as the test wants it");
    };
  }

  private static boolean await(CountDownLatch latch, long millis) throws IOException {
    try {
      return latch.await(millis, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
  }
}
