package io.apprxy.examples;

import io.apprxy.tunnel.TunnelEvent;
import io.apprxy.tunnel.TunnelServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps an enrolment token that was not used yet in a file, so that the connectors of the demo find
 * one whenever they are started. Where it is more than a demo, an operator hands each over.
 */
final class DemoTokens implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(DemoTokens.class);
  private static final long MINUTES = 10; // of the 15 that a token is good for

  private final String group;
  private final Path file;
  private final ScheduledExecutorService thread =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread started = new Thread(task, "demo-tokens");
            started.setDaemon(true);
            return started;
          });

  DemoTokens(String group, Path file) {
    this.group = group;
    this.file = file;
  }

  /** Writes the first token, and another one when it was used or is about to expire. */
  void keep(TunnelServer tunnel) throws IOException {
    replace(tunnel);
    var unused =
        thread.scheduleAtFixedRate(() -> tryReplace(tunnel), MINUTES, MINUTES, TimeUnit.MINUTES);
  }

  /** A connector was enrolled: its token is of no more use. */
  void happened(TunnelEvent event, TunnelServer tunnel) {
    if (event.type() == TunnelEvent.Type.ENROLLED && event.group().equals(group)) {
      thread.execute(() -> tryReplace(tunnel));
    }
  }

  private void tryReplace(TunnelServer tunnel) {
    try {
      replace(tunnel);
    } catch (IOException | RuntimeException e) {
      LOG.error("no connector can be enrolled: {} cannot be written", file, e);
    }
  }

  private void replace(TunnelServer tunnel) throws IOException {
    DemoSetup.replacePrivate(file, tunnel.createEnrolmentToken(group) + "\n");
  }

  @Override
  public void close() {
    thread.shutdownNow();
  }
}
