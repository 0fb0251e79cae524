package io.apprxy.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** A server that apprxy did not write, on a loopback port, for as long as a test needs it. */
final class OriginProcess implements AutoCloseable {
  static final String NGINX =
      Files.exists(Path.of("/usr/sbin/nginx")) ? "/usr/sbin/nginx" : "nginx";
  static final String HTTPD = "/usr/sbin/apache2";

  private final Process process;

  private OriginProcess(Process process) {
    this.process = process;
  }

  /**
   * Starts it, and waits until it serves.
   *
   * @param status what it answers, without credentials, once it does
   * @param log where what it says is kept
   */
  static OriginProcess start(ProcessBuilder command, URI url, int status, Path log)
      throws Exception {
    OriginProcess started =
        new OriginProcess(command.redirectErrorStream(true).redirectOutput(log.toFile()).start());
    SeparateProcesses.until(
        () -> {
          assertThat(started.process.isAlive())
              .as("alive, having said: %s", Files.readString(log))
              .isTrue();
          try {
            return statusOf(url) == status;
          } catch (IOException e) {
            return false; // not yet
          }
        },
        () -> "an answer of " + url);
    return started;
  }

  private static int statusOf(URI url) throws IOException, InterruptedException {
    return HttpClient.newHttpClient()
        .send(
            HttpRequest.newBuilder(url).timeout(Duration.ofSeconds(20)).build(),
            BodyHandlers.discarding())
        .statusCode();
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
