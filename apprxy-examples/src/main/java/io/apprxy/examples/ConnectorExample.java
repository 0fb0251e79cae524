package io.apprxy.examples;

import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.tunnel.Connector;
import io.apprxy.tunnel.UpdateException;
import io.apprxy.tunnel.Updater;
import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * A connector as a process of its own, for the gateway of {@link GatewayExample}. Start as many as
 * you like, on any machines that reach the application: they share its load, and while one is left
 * users notice nothing.
 */
@Command(
    name = "ConnectorExample",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    defaultValueProvider = CommandLine.PropertiesDefaultProvider.class,
    description = "Dials out to a gateway and serves an internal application through it.",
    footer = {
      "Options may also stand in ~/.ConnectorExample.properties, such as: gateway=https://gateway.example.com:7443",
      "The enrolment token is read from a file, or from APPRXY_ENROLMENT_TOKEN in the environment;",
      "user:password for the proxy from a file, or from APPRXY_PROXY_CREDENTIALS."
    })
public final class ConnectorExample implements Callable<Integer> {
  @Option(
      names = "--gateway",
      defaultValue = "https://localhost:7443",
      description = "Where the gateway takes connectors. Default: ${DEFAULT-VALUE}")
  private URI gateway = URI.create("https://localhost:7443");

  @Option(
      names = "--allow-origin",
      defaultValue = "http://127.0.0.1:8080",
      description = "Origins that it may forward to. Default: ${DEFAULT-VALUE}")
  private List<URI> origins = List.of();

  @Option(
      names = "--name",
      defaultValue = "connector",
      description = "Its name in the logs of the gateway. Default: ${DEFAULT-VALUE}")
  private String name = "";

  @Option(
      names = "--gateway-ca",
      description = "A PEM file with the CA of the gateway. Default: ca.pem in the directory")
  private @Nullable Path gatewayCa;

  @Option(
      names = "--enrolment-token-file",
      description = "A file with the token. Default: enrolment-token in the directory")
  private @Nullable Path enrolmentTokenFile;

  @Option(
      names = "--identity-file",
      description =
          "Where its key and certificate are kept. Default: one that is free, in the directory")
  private @Nullable Path identityFile;

  @Option(
      names = "--proxy",
      description = "host:port of an HTTP proxy on the way to the gateway. Default: none")
  private @Nullable String proxy;

  @Option(
      names = "--proxy-credentials-file",
      description = "A file with user:password for the proxy. Default: none")
  private @Nullable Path proxyCredentialsFile;

  @Option(
      names = "--update-url",
      description =
          "Where the manifest of releases is, as SignRelease writes it. Default: no updates")
  private @Nullable URI updateUrl;

  @Option(
      names = "--update-key",
      description = "PEM files with the public keys that releases are signed with")
  private List<Path> updateKeys = List.of();

  @Option(
      names = "--update-ca",
      description = "A PEM file with the CA of the releases' server. Default: the JVM's trust")
  private @Nullable Path updateCa;

  @Option(
      names = "--release-directory",
      description = "Where to keep releases; each connector has its own")
  private @Nullable Path releaseDirectory;

  @Option(
      names = "--update-trial",
      defaultValue = "60",
      description =
          "Seconds that a new release has to be connected, or the former one runs again. Default: ${DEFAULT-VALUE}")
  private int updateTrial;

  /** Says that a launcher has started this process, which keeps releases. */
  @Option(names = "--launched", hidden = true)
  private boolean launched;

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--directory",
      description = "Where the demo's CA and secrets are kept. Default: ~/.apprxy-quickstart")
  private Path directory = DemoSetup.defaultDirectory();

  /** Held as long as the process runs. */
  private @Nullable FileLock lock;

  /** Starts the connector, and stops it on Ctrl-C. */
  public static void main(String[] arguments) {
    System.exit(DemoSetup.run(new ConnectorExample(), arguments));
  }

  @Override
  public Integer call() throws Exception {
    if (updateUrl == null) {
      return connect(null);
    }
    ReleaseDirectory releases =
        ReleaseDirectory.in(
            Objects.requireNonNull(releaseDirectory, "--update-url needs --release-directory"));
    return launched ? connect(releases) : launcher(releases).run();
  }

  /** Starts this program again, and again, in the release that there is then. */
  private ReleaseLauncher launcher(ReleaseDirectory releases) {
    List<String> arguments =
        new ArrayList<>(Objects.requireNonNull(spec).commandLine().getParseResult().originalArgs());
    arguments.add("--launched");
    return new ReleaseLauncher(
        releases, ConnectorExample.class, arguments, Duration.ofSeconds(updateTrial));
  }

  /** Serves until it is told to stop, or until there is a new release. */
  private int connect(@Nullable ReleaseDirectory releases) throws Exception {
    CompletableFuture<Integer> end = new CompletableFuture<>();
    DemoSetup.privateDirectory(directory);
    Path ca = gatewayCa == null ? DemoCertificates.in(directory).caFile() : gatewayCa;
    Connector.Builder builder =
        Connector.builder()
            .gateway(gateway.toString())
            .name(name)
            .trust(ca)
            .identity(identityFile == null ? freeIdentity() : identityFile)
            .enrolmentToken(this::enrolmentToken)
            .signOn(new HeaderSignOn());
    origins.forEach(origin -> builder.allowOrigin(origin.toString()));
    if (proxy != null) {
      dialThrough(proxy, builder);
    }
    if (releases != null) {
      Updater updater = updater(releases);
      builder.onUpdateTurn(version -> update(version, updater, releases, end));
    }
    Connector connector = builder.build().start();

    System.out.println("The connector dials " + gateway + ", and serves " + origins);
    if (releases != null) {
      DemoSetup.endWithParent();
      if (connector.awaitConnected(Duration.ofSeconds(updateTrial))) {
        releases.sayUp(ConnectorExample.class);
      }
    }
    return DemoSetup.serveUntil(end, connector);
  }

  private void dialThrough(String hostAndPort, Connector.Builder builder) throws IOException {
    int colon = hostAndPort.lastIndexOf(':');
    String port = hostAndPort.substring(colon + 1);
    if (colon < 0 || !port.matches("[0-9]{1,5}")) {
      throw new IllegalArgumentException(
          "--proxy must be host:port, such as proxy.example.com:3128: " + hostAndPort);
    }
    builder.proxy(hostAndPort.substring(0, colon), Integer.parseInt(port));
    String credentials = DemoSetup.secret(proxyCredentialsFile, "APPRXY_PROXY_CREDENTIALS");
    if (credentials != null) {
      String[] userAndPassword = credentials.split(":", 2);
      if (userAndPassword.length < 2) {
        throw new IllegalArgumentException("the proxy's credentials must be user:password");
      }
      builder.proxyCredentials(userAndPassword[0], userAndPassword[1]);
    }
  }

  private Updater updater(ReleaseDirectory releases) throws Exception {
    Updater.Builder builder =
        Updater.builder()
            .manifest(Objects.requireNonNull(updateUrl).toString())
            .directory(releases.path());
    for (Path key : updateKeys) {
      builder.key(PemFiles.publicKey(key));
    }
    if (updateCa != null) {
      builder.trust(PemFiles.trust(updateCa));
    }
    return builder.build();
  }

  /** It is this connector's turn: the new release is put in place, and then this one ends. */
  private static void update(
      String version, Updater updater, ReleaseDirectory releases, CompletableFuture<Integer> end)
      throws UpdateException {
    Updater.Release release = updater.update(version);
    try {
      if (releases.hasFailed(release.file())) {
        throw new UpdateException(
            UpdateException.Reason.NOT_STARTED,
            release.version() + " was tried out and did not come up: publish a newer release");
      }
      releases.makeNext(release.file());
    } catch (IOException e) {
      throw new UpdateException(
          UpdateException.Reason.NOT_WRITTEN, "the release directory cannot be written: " + e);
    }
    end.complete(ReleaseLauncher.RESTART);
  }

  /** The gateway of the demo replaces a token that was used: it is read anew for each attempt. */
  private @Nullable String enrolmentToken() {
    String given = enrolmentTokenFile == null ? System.getenv("APPRXY_ENROLMENT_TOKEN") : null;
    return given == null
        ? DemoSetup.secretIfThere(
            enrolmentTokenFile == null ? directory.resolve("enrolment-token") : enrolmentTokenFile)
        : given;
  }

  /** The first identity of this name that no other process uses; free again when this one ends. */
  private Path freeIdentity() throws IOException {
    Path identities = DemoSetup.privateDirectory(directory.resolve("identities"));
    for (int i = 1; ; i++) {
      String instance = name + "-" + i;
      FileChannel file =
          FileChannel.open(
              identities.resolve(instance + ".lock"),
              StandardOpenOption.CREATE,
              StandardOpenOption.WRITE);
      lock = file.tryLock();
      if (lock != null) {
        return identities.resolve(instance + ".pem");
      }
      file.close();
    }
  }
}
