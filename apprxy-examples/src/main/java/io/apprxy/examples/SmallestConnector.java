package io.apprxy.examples;

import io.apprxy.auth.sso.HeaderSignOn;
import io.apprxy.tunnel.Connector;
import java.nio.file.Path;

/** The connector of the README. */
public final class SmallestConnector {
  private SmallestConnector() {}

  /** Starts it. */
  public static void main(String[] args) throws Exception {
    // README: connector
    Connector.builder()
        .gateway("https://gateway.example.com:7443")
        .identity(Path.of("identity.pem"))
        .enrolmentToken(() -> System.getenv("TOKEN"))
        .allowOrigin("http://wiki.corp:8080")
        .signOn(new HeaderSignOn())
        .build()
        .start();
    // README: end
  }
}
