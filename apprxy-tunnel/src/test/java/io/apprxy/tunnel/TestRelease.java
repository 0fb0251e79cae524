package io.apprxy.tunnel;

import com.sun.net.httpserver.HttpHandler;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.Signature;
import java.util.HexFormat;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.SSLContext;

/** Who publishes releases: a key, and an HTTPS server, which a test lets misbehave. */
final class TestRelease implements AutoCloseable {
  private final HttpsServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final Map<String, HttpHandler> files = new ConcurrentHashMap<>();

  /** The paths that were asked for. */
  final Queue<String> asked = new ConcurrentLinkedQueue<>();

  TestRelease(SSLContext tls) {
    try {
      server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
    server.setHttpsConfigurator(new HttpsConfigurator(tls));
    server.setExecutor(threads);
    server.createContext(
        "/",
        exchange -> {
          asked.add(exchange.getRequestURI().getPath());
          HttpHandler file = files.get(exchange.getRequestURI().getPath());
          try (exchange) {
            if (file == null) {
              exchange.sendResponseHeaders(404, -1);
            } else {
              file.handle(exchange);
            }
          }
        });
    server.start();
  }

  String url(String path) {
    return "https://localhost:" + server.getAddress().getPort() + path;
  }

  void serve(String path, byte[] content) {
    serve(
        path,
        exchange -> {
          exchange.sendResponseHeaders(200, content.length);
          exchange.getResponseBody().write(content);
        });
  }

  void serve(String path, HttpHandler how) {
    files.put(path, how);
  }

  void redirect(String path, String to) {
    serve(
        path,
        exchange -> {
          exchange.getResponseHeaders().set("Location", to);
          exchange.sendResponseHeaders(302, -1);
        });
  }

  /** Publishes a release as it should be: file, manifest, signature. */
  void publish(String version, byte[] file, KeyPair key) {
    publish(manifest(version, file), key);
    serve("/connector-" + version + ".jar", file);
  }

  /** Publishes a signed manifest alone. */
  void publish(String manifest, KeyPair key) {
    byte[] bytes = manifest.getBytes(StandardCharsets.UTF_8);
    serve("/connector.json", bytes);
    serve("/connector.json.sig", sign(bytes, key));
  }

  static String manifest(String version, byte[] file) {
    return """
        {
          "version": "%1$s",
          "file": "connector-%1$s.jar",
          "size": %2$d,
          "sha256": "%3$s",
          "java": 17,
          "expires": "2027-01-01T00:00:00Z"
        }
        """
        .formatted(version, file.length, sha256(file));
  }

  static String sha256(byte[] file) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(file));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  static KeyPair newKey() {
    try {
      return KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  static byte[] sign(byte[] manifest, KeyPair key) {
    try {
      Signature signature = Signature.getInstance("Ed25519");
      signature.initSign(key.getPrivate());
      signature.update(manifest);
      return signature.sign();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }
}
