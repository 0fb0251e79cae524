package io.apprxy.auth.servlet;

import io.undertow.util.HeaderMap;
import io.undertow.util.HeaderValues;
import io.undertow.util.HttpString;
import jakarta.servlet.ReadListener;
import jakarta.servlet.ServletInputStream;
import jakarta.servlet.http.Cookie;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.Reader;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Collections;
import java.util.Enumeration;
import java.util.List;
import java.util.Locale;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/**
 * A request as the application sees it: with the identity, without the cookies of the session and
 * what a client cannot be believed, and only as long as it may go on.
 */
final class AdmittedRequest extends IdentifiedRequest {
  private static final String OUR_COOKIES = "__host-apprxy-";

  private final HeaderMap headers;
  private final OpenRequest open;
  private @Nullable ServletInputStream input;
  private @Nullable BufferedReader reader;

  AdmittedRequest(
      HttpServletRequest request,
      HttpServletResponse response,
      @Nullable IdentityPrincipal principal,
      HeaderMap headers,
      OpenRequest open) {
    super(request, response, principal);
    this.headers = headers;
    this.open = open;
  }

  // ---- headers

  @Override
  public @Nullable String getHeader(String name) {
    return headers.getFirst(name);
  }

  @Override
  public Enumeration<String> getHeaders(String name) {
    HeaderValues values = headers.get(name);
    return Collections.enumeration(values == null ? List.of() : List.copyOf(values));
  }

  @Override
  public Enumeration<String> getHeaderNames() {
    return Collections.enumeration(
        StreamSupport.stream(headers.spliterator(), false)
            .map(HeaderValues::getHeaderName)
            .map(HttpString::toString)
            .toList());
  }

  @Override
  public int getIntHeader(String name) {
    String value = getHeader(name);
    return value == null ? -1 : Integer.parseInt(value);
  }

  @Override
  public long getDateHeader(String name) {
    String value = getHeader(name);
    if (value == null) {
      return -1;
    }
    try {
      return Instant.from(
              ZonedDateTime.parse(
                  value, DateTimeFormatter.RFC_1123_DATE_TIME.withLocale(Locale.ROOT)))
          .toEpochMilli();
    } catch (DateTimeException e) {
      return super.getDateHeader(name); // older forms, or the container's own refusal
    }
  }

  @Override
  public Cookie @Nullable [] getCookies() {
    Cookie[] all = super.getCookies();
    if (all == null) {
      return null;
    }
    Cookie[] others =
        Arrays.stream(all)
            .filter(cookie -> !cookie.getName().toLowerCase(Locale.ROOT).startsWith(OUR_COOKIES))
            .toArray(Cookie[]::new);
    return others.length == 0 ? null : others;
  }

  // ---- the body

  @Override
  public ServletInputStream getInputStream() throws IOException {
    if (input == null) {
      input = new Input(super.getInputStream());
    }
    return input;
  }

  @Override
  public BufferedReader getReader() throws IOException {
    if (reader == null) {
      reader = new BufferedReader(new Checked(super.getReader()));
    }
    return reader;
  }

  private final class Checked extends Reader {
    private final Reader of;

    Checked(Reader of) {
      this.of = of;
    }

    @Override
    public int read(char[] to, int from, int length) throws IOException {
      open.check();
      int count = of.read(to, from, length);
      open.received(count);
      return count;
    }

    @Override
    public boolean ready() throws IOException {
      return of.ready();
    }

    @Override
    public void close() throws IOException {
      of.close();
    }
  }

  private final class Input extends ServletInputStream {
    private final ServletInputStream of;

    Input(ServletInputStream of) {
      this.of = of;
    }

    @Override
    public int read() throws IOException {
      open.check();
      int octet = of.read();
      open.received(octet < 0 ? 0 : 1);
      return octet;
    }

    @Override
    public int read(byte[] to, int from, int length) throws IOException {
      open.check();
      int count = of.read(to, from, length);
      open.received(count);
      return count;
    }

    @Override
    public int available() throws IOException {
      return of.available();
    }

    @Override
    public boolean isFinished() {
      return of.isFinished();
    }

    @Override
    public boolean isReady() {
      return of.isReady();
    }

    @Override
    public void setReadListener(ReadListener listener) {
      of.setReadListener(listener);
    }

    @Override
    public void close() throws IOException {
      of.close();
    }
  }
}
