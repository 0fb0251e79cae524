package io.apprxy.examples;

import jakarta.servlet.AsyncContext;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.FilterRegistration;
import jakarta.servlet.ServletContext;
import jakarta.servlet.ServletException;
import jakarta.servlet.ServletRegistration;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * An application of servlets that says what it sees: with asynchronous ones, forwards, includes and
 * an error page. Counts its calls, so that a test can tell what never got through.
 */
final class ServletApplication {
  final AtomicInteger calls = new AtomicInteger();
  final AtomicInteger streaming = new AtomicInteger();
  private final CountDownLatch closing = new CountDownLatch(1);

  /** Adds the servlets to a context, and a filter that only sees requests as they arrive. */
  void install(ServletContext context) {
    add(context, "/", true, (request, response) -> say("hello", request, response));
    add(context, "/simple", false, (request, response) -> say("simple", request, response));
    add(context, "/admin/*", true, (request, response) -> say("admin", request, response));
    add(context, "/async", true, this::async);
    add(
        context,
        "/async-dispatch",
        true,
        (request, response) -> {
          if (request.getDispatcherType() == DispatcherType.ASYNC) {
            say("dispatched", request, response);
          } else {
            request.startAsync().dispatch();
          }
        });
    add(
        context,
        "/async-elsewhere",
        true,
        (request, response) -> request.startAsync().dispatch("/admin/page"));
    add(
        context,
        "/forward",
        true,
        (request, response) ->
            request.getRequestDispatcher("/admin/page").forward(request, response));
    add(
        context,
        "/include",
        true,
        (request, response) -> {
          say("outer", request, response);
          request.getRequestDispatcher("/admin/page").include(request, response);
        });
    add(context, "/missing", true, (request, response) -> response.sendError(404));
    add(
        context,
        "/broken",
        true,
        (request, response) -> {
          throw new ServletException("broken on purpose");
        });
    add(context, "/public", true, this::cacheable);
    add(context, "/stream", true, (request, response) -> stream(response));
    add(context, "/sse", true, this::events);
    add(
        context,
        ServletContainer.ERROR_PAGE,
        true,
        (request, response) -> say("error page", request, response));
    FilterRegistration.Dynamic marker =
        context.addFilter(
            "marker",
            new HttpFilter() {
              @Override
              protected void doFilter(
                  HttpServletRequest request,
                  HttpServletResponse response,
                  jakarta.servlet.FilterChain chain)
                  throws IOException, ServletException {
                request.setAttribute("marked", "yes");
                chain.doFilter(request, response);
              }
            });
    marker.setAsyncSupported(true);
    marker.addMappingForUrlPatterns(EnumSet.of(DispatcherType.REQUEST), true, "/*");
  }

  /** Lets streams end. */
  void close() {
    closing.countDown();
  }

  private interface Answer {
    void to(HttpServletRequest request, HttpServletResponse response)
        throws ServletException, IOException;
  }

  private void add(ServletContext context, String pattern, boolean async, Answer answer) {
    ServletRegistration.Dynamic registration =
        context.addServlet(
            pattern,
            new HttpServlet() {
              @Override
              protected void service(HttpServletRequest request, HttpServletResponse response)
                  throws ServletException, IOException {
                calls.incrementAndGet();
                answer.to(request, response);
              }
            });
    registration.setAsyncSupported(async);
    registration.addMapping(pattern);
  }

  private static void say(String what, HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    List<String> lines = new ArrayList<>();
    lines.add(what);
    lines.add("user " + request.getRemoteUser());
    lines.add("principal " + request.getUserPrincipal());
    lines.add("staff " + request.isUserInRole("staff") + " admin " + request.isUserInRole("admin"));
    lines.add("auth " + request.getAuthType());
    lines.add("identity " + request.getAttribute("io.apprxy.Identity"));
    lines.add("dispatched as " + request.getDispatcherType());
    lines.add("marked " + request.getAttribute("marked"));
    Cookie[] cookies = request.getCookies();
    lines.add(
        "cookies "
            + (cookies == null
                ? "none"
                : Arrays.stream(cookies).map(Cookie::getName).sorted().toList()));
    for (String name : Collections.list(request.getHeaderNames())) {
      Collections.list(request.getHeaders(name))
          .forEach(value -> lines.add("header " + name + ": " + value));
    }
    byte[] body = request.getInputStream().readAllBytes();
    lines.add("body " + new String(body, StandardCharsets.UTF_8));
    response.setContentType("text/plain;charset=utf-8");
    response.getWriter().println(String.join("\n", lines));
  }

  private void async(HttpServletRequest request, HttpServletResponse response) {
    AsyncContext context = request.startAsync();
    context.start(
        () -> {
          try {
            HttpServletRequest seen = (HttpServletRequest) context.getRequest();
            HttpServletResponse answer = (HttpServletResponse) context.getResponse();
            answer.setHeader("Cache-Control", "public, max-age=60");
            say("later", seen, answer);
          } catch (IOException e) {
            throw new IllegalStateException(e);
          } finally {
            context.complete();
          }
        });
  }

  private void cacheable(HttpServletRequest request, HttpServletResponse response)
      throws IOException {
    response.reset();
    response.setHeader("Cache-Control", "public, s-maxage=60");
    response.addHeader("Cache-Control", "max-age=60");
    response.setHeader("Surrogate-Control", "max-age=60");
    response.setHeader("X-Accel-Expires", "60");
    say("cacheable", request, response);
  }

  /** One line after the other, on the thread of the request, until nobody takes them. */
  private void stream(HttpServletResponse response) throws IOException {
    streaming.incrementAndGet();
    try {
      response.setContentType("text/plain");
      do {
        response.getOutputStream().println("tick");
        response.flushBuffer();
      } while (!closes(20));
    } finally {
      streaming.decrementAndGet();
    }
  }

  /** Events on a thread of the application's own. */
  private void events(HttpServletRequest request, HttpServletResponse response) {
    AsyncContext context = request.startAsync();
    context.setTimeout(0);
    streaming.incrementAndGet();
    Thread thread =
        new Thread(
            () -> {
              try {
                context.getResponse().setContentType("text/event-stream");
                do {
                  context.getResponse().getWriter().write("data: tick\n\n");
                  context.getResponse().flushBuffer();
                } while (!closes(20));
                context.complete();
              } catch (IOException | IllegalStateException e) {
                // Nobody takes them any more.
              } finally {
                streaming.decrementAndGet();
              }
            });
    thread.setDaemon(true);
    thread.start();
  }

  private boolean closes(int millis) {
    try {
      return closing.await(millis, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      return true;
    }
  }
}
