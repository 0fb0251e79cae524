package io.apprxy.examples;

import io.undertow.Undertow;
import io.undertow.UndertowOptions;
import io.undertow.server.handlers.PathHandler;
import io.undertow.servlet.Servlets;
import io.undertow.servlet.api.DeploymentInfo;
import io.undertow.servlet.api.DeploymentManager;
import io.undertow.servlet.api.ErrorPage;
import io.undertow.servlet.api.ServletContainerInitializerInfo;
import io.undertow.servlet.util.ImmediateInstanceFactory;
import jakarta.servlet.ServletContainerInitializer;
import jakarta.servlet.ServletContext;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.catalina.Context;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;
import org.apache.coyote.http2.Http2Protocol;
import org.apache.tomcat.util.net.SSLHostConfig;
import org.apache.tomcat.util.net.SSLHostConfigCertificate;
import org.eclipse.jetty.ee11.servlet.ErrorPageErrorHandler;
import org.eclipse.jetty.ee11.servlet.ServletContextHandler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.server.handler.ContextHandlerCollection;
import org.eclipse.jetty.util.ssl.SslContextFactory;

/** A servlet container in this process, with TLS on 127.0.0.1. */
enum ServletContainer {
  TOMCAT {
    @Override
    Running start(
        int port, DemoCertificates certificates, Map<String, Consumer<ServletContext>> contexts)
        throws Exception {
      Path base = Files.createTempDirectory("tomcat");
      Path chain = base.resolve("chain.pem");
      Path key = base.resolve("key.pem");
      certificates.writeServer(chain, key);
      Tomcat tomcat = new Tomcat();
      tomcat.setBaseDir(base.toString());
      Connector connector = new Connector();
      connector.setPort(port);
      connector.setProperty("address", "127.0.0.1");
      connector.setSecure(true);
      connector.setScheme("https");
      connector.setProperty("SSLEnabled", "true");
      SSLHostConfig tls = new SSLHostConfig();
      SSLHostConfigCertificate certificate =
          new SSLHostConfigCertificate(tls, SSLHostConfigCertificate.Type.UNDEFINED);
      certificate.setCertificateFile(chain.toString());
      certificate.setCertificateKeyFile(key.toString());
      tls.addCertificate(certificate);
      connector.addSslHostConfig(tls);
      connector.addUpgradeProtocol(new Http2Protocol());
      tomcat.setConnector(connector);
      contexts.forEach(
          (path, initializer) -> {
            Context context = tomcat.addContext(path, null);
            context.addServletContainerInitializer(initializer(initializer), Set.of());
            context.addErrorPage(errorPage(404));
            context.addErrorPage(errorPage(400));
          });
      tomcat.start();
      return new Running(
          () -> {
            tomcat.stop();
            tomcat.destroy();
          });
    }

    private org.apache.tomcat.util.descriptor.web.ErrorPage errorPage(int status) {
      var page = new org.apache.tomcat.util.descriptor.web.ErrorPage();
      page.setErrorCode(status);
      page.setLocation(ERROR_PAGE);
      return page;
    }
  },

  JETTY {
    @Override
    Running start(
        int port, DemoCertificates certificates, Map<String, Consumer<ServletContext>> contexts)
        throws Exception {
      Server server = new Server();
      SslContextFactory.Server tls = new SslContextFactory.Server();
      tls.setSslContext(certificates.server());
      HttpConfiguration settings = new HttpConfiguration();
      settings.addCustomizer(new SecureRequestCustomizer(false));
      ServerConnector connector =
          new ServerConnector(
              server,
              new SslConnectionFactory(tls, "http/1.1"),
              new HttpConnectionFactory(settings));
      connector.setHost("127.0.0.1");
      connector.setPort(port);
      server.addConnector(connector);
      ContextHandlerCollection all = new ContextHandlerCollection();
      contexts.forEach(
          (path, initializer) -> {
            ServletContextHandler context = new ServletContextHandler(path.isEmpty() ? "/" : path);
            context.addServletContainerInitializer(initializer(initializer));
            ErrorPageErrorHandler errors = new ErrorPageErrorHandler();
            errors.addErrorPage(404, ERROR_PAGE);
            errors.addErrorPage(400, ERROR_PAGE);
            context.setErrorHandler(errors);
            all.addHandler(context);
          });
      server.setHandler(all);
      server.start();
      return new Running(server::stop);
    }
  },

  UNDERTOW {
    @Override
    Running start(
        int port, DemoCertificates certificates, Map<String, Consumer<ServletContext>> contexts)
        throws Exception {
      PathHandler all = new PathHandler();
      for (Map.Entry<String, Consumer<ServletContext>> one : contexts.entrySet()) {
        String path = one.getKey().isEmpty() ? "/" : one.getKey();
        DeploymentInfo deployment =
            Servlets.deployment()
                .setClassLoader(ServletContainer.class.getClassLoader())
                .setContextPath(path)
                .setDeploymentName("app" + path.replace('/', '-'))
                .addErrorPage(new ErrorPage(ERROR_PAGE, 404))
                .addErrorPage(new ErrorPage(ERROR_PAGE, 400))
                .addServletContainerInitializer(
                    new ServletContainerInitializerInfo(
                        ServletContainerInitializer.class,
                        new ImmediateInstanceFactory<>(initializer(one.getValue())),
                        Set.of()));
        DeploymentManager manager = Servlets.newContainer().addDeployment(deployment);
        manager.deploy();
        all.addPrefixPath(path, manager.start());
      }
      Undertow server =
          Undertow.builder()
              .addHttpsListener(port, "127.0.0.1", certificates.server())
              .setServerOption(UndertowOptions.ENABLE_HTTP2, true)
              .setWorkerThreads(16)
              .setHandler(all)
              .build();
      server.start();
      return new Running(server::stop);
    }
  };

  /** Where each context has a page for 400 and 404. */
  static final String ERROR_PAGE = "/error-page";

  /**
   * Starts it.
   *
   * @param contexts what each has, by its path; that of the root is empty
   */
  abstract Running start(
      int port, DemoCertificates certificates, Map<String, Consumer<ServletContext>> contexts)
      throws Exception;

  private static ServletContainerInitializer initializer(Consumer<ServletContext> initializer) {
    return (classes, context) -> initializer.accept(context);
  }

  /** How to stop it. */
  private interface Stop {
    void now() throws Exception;
  }

  /** Started. */
  static final class Running implements AutoCloseable {
    private final Stop stop;
    private boolean stopped;

    private Running(Stop stop) {
      this.stop = stop;
    }

    @Override
    public void close() {
      if (stopped) {
        return;
      }
      stopped = true;
      try {
        stop.now();
      } catch (Exception e) {
        throw new IllegalStateException("the container does not stop", e);
      }
    }
  }
}
