package io.apprxy.examples;

import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A way from an https port of this machine to the origin of {@link BenchmarkBed}. */
enum BenchmarkContender {
  /** One TLS hop in C; what the others are compared with. */
  NGINX(Platform.NATIVE) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      int port = BenchmarkBed.freePort();
      return Running.of(port, nginx(bed, port, bed.originPort));
    }
  },

  /** Another one. */
  HAPROXY(Platform.NATIVE) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      String program = BenchmarkBed.program("haproxy", "haproxy");
      int port = BenchmarkBed.freePort();
      Path folder = Files.createTempDirectory(bed.directory, "haproxy");
      Path certificate = folder.resolve("server.pem");
      DemoSetup.writePrivate(certificate, Files.readString(bed.chain) + Files.readString(bed.key));
      Path configuration =
          Files.writeString(
              folder.resolve("haproxy.cfg"),
              """
              global
                maxconn 8000
              defaults
                mode http
                timeout connect 10s
                timeout client 60s
                timeout server 60s
                timeout tunnel 600s
              frontend edge
                bind 127.0.0.1:%d ssl crt %s alpn h2,http/1.1
                default_backend origin
              backend origin
                http-reuse always
                option forwardfor
                server origin 127.0.0.1:%d
              """
                  .formatted(port, certificate, bed.originPort));
      return Running.of(port, bed.start(List.of(program, "-db", "-f", configuration.toString())));
    }
  },

  /** One TLS hop in Java, on the server that apprxy is built on, and without what apprxy does. */
  UNDERTOW(Platform.JAVA) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      int port = BenchmarkBed.freePort();
      return Running.of(
          port,
          bed.java(
              java,
              "Benchmark",
              "undertow-process",
              "--directory=" + bed.directory,
              "--port=" + port,
              "--origin=" + bed.origin()));
    }
  },

  /** A tunnel that dials out: {@code ssh -R}, with nginx before it for TLS at the edge. */
  SSH(Platform.NATIVE) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      int forwarded = BenchmarkBed.freePort();
      int port = BenchmarkBed.freePort();
      List<Process> all = new ArrayList<>();
      all.add(nginx(bed, port, forwarded));
      all.addAll(ssh(bed, forwarded));
      return new Running(port, "", null, all);
    }
  },

  /** A tunnel that dials out, in Java: cranker's router and connector. */
  CRANKER(Platform.JAVA) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      try {
        Class.forName("com.hsbc.cranker.mucranker.CrankerRouter");
      } catch (ClassNotFoundException e) {
        throw new IOException(
            "cranker is not on the class path: add -Dexec.classpathScope=test, or leave it out with --only",
            e);
      }
      int port = BenchmarkBed.freePort();
      int registration = BenchmarkBed.freePort();
      Process router =
          bed.java(
              java,
              "BenchmarkCranker$Router",
              bed.chain.toString(),
              bed.key.toString(),
              String.valueOf(port),
              String.valueOf(registration));
      Process connector =
          bed.java(
              java,
              "BenchmarkCranker$Connector",
              bed.certificates.caFile().toString(),
              "wss://localhost:" + registration,
              bed.origin().toString());
      return Running.of(port, router, connector);
    }
  },

  /** Sign-in by a module of a server in C: Apache httpd with mod_auth_openidc. */
  MOD_AUTH_OPENIDC(Platform.NATIVE) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      return BenchmarkSignIn.httpd(bed);
    }
  },

  /** Sign-in in Java: Spring Cloud Gateway with {@code oauth2Login}. */
  SPRING(Platform.JAVA) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      return BenchmarkSignIn.spring(bed, java);
    }
  },

  /** apprxy's gateway where nobody is known, which reaches the origin itself. */
  PASSTHROUGH(Platform.JAVA_EACH) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      return BenchmarkGateway.start(bed, java, "plain/", 0);
    }
  },

  /** apprxy's gateway with a signed-in user, which reaches the origin itself. */
  GATEWAY(Platform.JAVA_EACH) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      return BenchmarkGateway.start(bed, java, "direct/", 0);
    }
  },

  /** apprxy's gateway and connector, with a signed-in user whose identity is asserted. */
  APPRXY(Platform.JAVA_EACH) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      return BenchmarkGateway.start(bed, java, "tunnel/", 0);
    }
  },

  /** The same, among 99 other connectors and 999 other applications. */
  GROWN(Platform.JAVA_EACH) {
    @Override
    Running start(BenchmarkBed bed, Path java) throws Exception {
      return BenchmarkGateway.start(bed, java, "tunnel/", 99);
    }
  };

  /** What it runs on: nothing, one JDK, or each JDK that is measured. */
  enum Platform {
    NATIVE,
    JAVA,
    JAVA_EACH
  }

  final Platform platform;

  BenchmarkContender(Platform platform) {
    this.platform = platform;
  }

  abstract Running start(BenchmarkBed bed, Path java) throws Exception;

  /** Its name on the command line and in the table. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * A contender that was started.
   *
   * @param path before that of the origin
   * @param cookie what requests must carry; null for nothing
   * @param processes all that it consists of; first the one with the port
   */
  record Running(int port, String path, @Nullable String cookie, List<Process> processes) {
    static Running of(int port, Process... processes) {
      return new Running(port, "", null, List.of(processes));
    }

    URI url(String ofOrigin) {
      return URI.create("https://localhost:" + port + "/" + path + ofOrigin);
    }
  }

  private static Process nginx(BenchmarkBed bed, int port, int upstream) throws IOException {
    String program = BenchmarkBed.program("nginx", "nginx-light");
    Path prefix = Files.createTempDirectory(bed.directory, "nginx");
    Files.writeString(
        prefix.resolve("nginx.conf"),
        """
        daemon off;
        pid nginx.pid;
        worker_processes auto;
        error_log error.log;
        events {
          worker_connections 8000;
        }
        http {
          access_log off;
          client_body_temp_path body;
          proxy_temp_path proxy;
          fastcgi_temp_path fastcgi;
          uwsgi_temp_path uwsgi;
          scgi_temp_path scgi;
          keepalive_requests 1000000;
          client_max_body_size 0;
          proxy_request_buffering off;
          proxy_max_temp_file_size 0;
          map $http_upgrade $connection_to_origin {
            default upgrade;
            '' '';
          }
          upstream origin {
            server 127.0.0.1:%d;
            keepalive 256;
            keepalive_requests 1000000;
          }
          server {
            listen 127.0.0.1:%d ssl http2 backlog=4096;
            ssl_certificate %s;
            ssl_certificate_key %s;
            location / {
              proxy_pass http://origin;
              proxy_http_version 1.1;
              proxy_set_header Upgrade $http_upgrade;
              proxy_set_header Connection $connection_to_origin;
              proxy_set_header X-Forwarded-For $remote_addr;
            }
          }
        }
        """
            .formatted(upstream, port, bed.chain, bed.key));
    return bed.start(List.of(program, "-p", prefix.toString(), "-c", "nginx.conf"));
  }

  /** The server, and the client that has it listen at a port. */
  private static List<Process> ssh(BenchmarkBed bed, int forwarded) throws Exception {
    String sshd = BenchmarkBed.program("sshd", "openssh-server");
    String ssh = BenchmarkBed.program("ssh", "openssh-client");
    String keygen = BenchmarkBed.program("ssh-keygen", "openssh-client");
    int port = BenchmarkBed.freePort();
    Path folder = Files.createTempDirectory(bed.directory, "ssh");
    for (String name : List.of("host", "user")) {
      List<String> command =
          List.of(keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder.resolve(name).toString());
      if (bed.start(command).waitFor() != 0) {
        throw new IOException("ssh-keygen made no key; see the logs in " + bed.directory);
      }
    }
    if ("root".equals(System.getProperty("user.name"))) {
      // Where sshd of root puts itself for what it does unprivileged: it has no setting for it.
      Files.createDirectories(
          Path.of("/run/sshd"),
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwxr-xr-x")));
    }
    Files.writeString(
        folder.resolve("known_hosts"),
        "[127.0.0.1]:" + port + " " + Files.readString(folder.resolve("host.pub")));
    Path configuration =
        Files.writeString(
            folder.resolve("sshd_config"),
            """
            ListenAddress 127.0.0.1:%d
            HostKey %s
            AuthorizedKeysFile %s
            PidFile none
            UsePAM no
            StrictModes no
            PermitRootLogin prohibit-password
            PasswordAuthentication no
            AllowTcpForwarding remote
            """
                .formatted(port, folder.resolve("host"), folder.resolve("user.pub")));
    Process server = bed.start(List.of(sshd, "-D", "-e", "-f", configuration.toString()));
    bed.await(() -> isListening(port) ? 200 : 0);
    Process client =
        bed.start(
            List.of(
                ssh,
                "-N",
                "-F",
                "none",
                "-p",
                String.valueOf(port),
                "-i",
                folder.resolve("user").toString(),
                "-o",
                "UserKnownHostsFile=" + folder.resolve("known_hosts"),
                "-o",
                "ExitOnForwardFailure=yes",
                "-R",
                "127.0.0.1:%d:127.0.0.1:%d".formatted(forwarded, bed.originPort),
                System.getProperty("user.name") + "@127.0.0.1"));
    return List.of(server, client);
  }

  private static boolean isListening(int port) {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
      return socket.isConnected();
    } catch (IOException e) {
      return false;
    }
  }
}
