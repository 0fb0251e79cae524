package io.apprxy.examples;

import com.hsbc.cranker.connector.CrankerConnectorBuilder;
import com.hsbc.cranker.connector.RegistrationUriSuppliers;
import com.hsbc.cranker.mucranker.CrankerRouter;
import com.hsbc.cranker.mucranker.CrankerRouterBuilder;
import io.muserver.HttpsConfigBuilder;
import io.muserver.MuServerBuilder;
import java.net.URI;
import java.net.http.HttpClient;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;

/**
 * The two processes of cranker, set up as its README says. Its libraries are on the class path of
 * the benchmark only.
 */
final class BenchmarkCranker {
  private BenchmarkCranker() {}

  /** Takes requests of users, and connectors. */
  static final class Router {
    private Router() {}

    public static void main(String[] arguments) throws Exception {
      HttpsConfigBuilder tls =
          HttpsConfigBuilder.httpsConfig()
              .withKeyManagerFactory(PemFiles.keys(Path.of(arguments[0]), Path.of(arguments[1])));
      CrankerRouter router = CrankerRouterBuilder.crankerRouter().start();
      server(tls, Integer.parseInt(arguments[3]))
          .addHandler(router.createRegistrationHandler())
          .start();
      server(tls, Integer.parseInt(arguments[2])).addHandler(router.createHttpHandler()).start();
      new CountDownLatch(1).await();
    }

    private static MuServerBuilder server(HttpsConfigBuilder tls, int port) {
      return MuServerBuilder.muServer()
          .withInterface("127.0.0.1")
          .withHttpsPort(port)
          .withHttpsConfig(tls)
          .withMaxRequestSize(Long.MAX_VALUE);
    }
  }

  /** Dials out, and serves the origin. */
  static final class Connector {
    private Connector() {}

    public static void main(String[] arguments) throws Exception {
      HttpClient client =
          HttpClient.newBuilder().sslContext(PemFiles.trust(Path.of(arguments[0]))).build();
      CrankerConnectorBuilder.connector()
          .withRouterUris(RegistrationUriSuppliers.fixedUris(URI.create(arguments[1])))
          .withRoute("*")
          .withTarget(URI.create(arguments[2]))
          .withComponentName("benchmark")
          .withHttpClient(client)
          .start();
      new CountDownLatch(1).await();
    }
  }
}
