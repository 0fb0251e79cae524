package io.apprxy.tunnel;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import tools.jackson.databind.json.JsonMapper;

/** A peer of a tunnel's listener that is written by somebody else: the JDK's HTTP client. */
final class TestPeer {
  private static final JsonMapper JSON = new JsonMapper();

  private final HttpClient client;
  private final int port;

  TestPeer(SSLContext tls, int port) {
    this.client = HttpClient.newBuilder().sslContext(tls).build();
    this.port = port;
  }

  /** Enrols with a new key, or fails. */
  static ConnectorIdentity enrolled(TestTls tls, int port, String token)
      throws IOException, InterruptedException {
    ConnectorIdentity.Request request = ConnectorIdentity.Request.create();
    HttpResponse<String> answer = new TestPeer(tls.client(), port).enrol(token, request.pem());
    if (answer.statusCode() != 200) {
      throw new IOException(answer.body());
    }
    return request.certified(answer.body());
  }

  HttpResponse<String> enrol(String token, String csr) throws IOException, InterruptedException {
    return post(
        Wire.ENROL_PATH,
        JSON.writeValueAsString(JSON.createObjectNode().put("token", token).put("csr", csr)));
  }

  HttpResponse<String> renew(String csr) throws IOException, InterruptedException {
    return post(Wire.RENEW_PATH, JSON.writeValueAsString(JSON.createObjectNode().put("csr", csr)));
  }

  HttpResponse<String> post(String path, String body) throws IOException, InterruptedException {
    return client.send(
        request(path).POST(HttpRequest.BodyPublishers.ofString(body)).build(),
        HttpResponse.BodyHandlers.ofString());
  }

  HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return client.send(request(path).build(), HttpResponse.BodyHandlers.ofString());
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(URI.create("https://localhost:" + port + path))
        .timeout(Duration.ofSeconds(30));
  }
}
