package io.apprxy.auth.servlet;

import io.apprxy.Response;
import io.apprxy.rewrite.ResponseHeaders;
import io.undertow.util.HeaderMap;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import jakarta.servlet.ServletOutputStream;
import jakarta.servlet.WriteListener;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpServletResponseWrapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A response of the application: as long as the request may go on, and, if a user was identified,
 * for that user's own cache only.
 */
final class AdmittedResponse extends HttpServletResponseWrapper {
  private final OpenRequest open;
  private final List<Response.Header> ours;
  private final boolean isPrivate;
  private final boolean hasCorsRules;

  /** What the application says of caching, as it says it. */
  private HeaderMap caching = new HeaderMap();

  private @Nullable ServletOutputStream output;
  private @Nullable PrintWriter writer;

  /**
   * @param ours the headers that are added, also after a reset
   * @param isPrivate whether no shared cache may keep it
   * @param hasCorsRules whether the application leaves to us what other origins may do
   */
  AdmittedResponse(
      HttpServletResponse response,
      OpenRequest open,
      List<Response.Header> ours,
      boolean isPrivate,
      boolean hasCorsRules) {
    super(response);
    this.open = open;
    this.ours = ours;
    this.isPrivate = isPrivate;
    this.hasCorsRules = hasCorsRules;
  }

  /** Adds our headers. */
  AdmittedResponse begin() {
    ours.forEach(header -> super.addHeader(header.name(), header.value()));
    if (isPrivate) {
      confine();
    }
    return this;
  }

  private void confine() {
    HeaderMap confined = new HeaderMap();
    caching.forEach(header -> confined.addAll(header.getHeaderName(), header));
    ResponseHeaders.keepPrivate(confined);
    super.setHeader("Cache-Control", confined.getFirst(Headers.CACHE_CONTROL));
  }

  // ---- headers

  @Override
  public void setHeader(String name, String value) {
    if (isOurs(name)) {
      return;
    }
    if (!concernsCaches(name)) {
      super.setHeader(name, value);
      return;
    }
    caching.remove(name);
    if (value != null) {
      caching.add(new HttpString(name), value);
    }
    confine();
  }

  @Override
  public void addHeader(String name, String value) {
    if (isOurs(name)) {
      return;
    }
    if (!concernsCaches(name)) {
      super.addHeader(name, value);
      return;
    }
    caching.add(new HttpString(name), value);
    confine();
  }

  private boolean isOurs(String name) {
    return hasCorsRules && name.toLowerCase(Locale.ROOT).startsWith("access-control-");
  }

  /**
   * Those that a shared cache could obey: what is confined to the user does not travel as it is.
   */
  private boolean concernsCaches(String name) {
    if (!isPrivate) {
      return false;
    }
    if (name.equalsIgnoreCase("Cache-Control")) {
      return true;
    }
    HeaderMap one = new HeaderMap();
    one.put(new HttpString(name), "");
    ResponseHeaders.keepPrivate(one);
    return !one.contains(name);
  }

  @Override
  public void reset() {
    super.reset();
    caching = new HeaderMap();
    begin();
  }

  // ---- the body

  @Override
  public ServletOutputStream getOutputStream() throws IOException {
    if (output == null) {
      output = new Output(super.getOutputStream());
    }
    return output;
  }

  @Override
  public PrintWriter getWriter() throws IOException {
    if (writer == null) {
      writer = new PrintWriter(new Checked(super.getWriter()));
    }
    return writer;
  }

  @Override
  public void flushBuffer() throws IOException {
    open.check();
    if (writer != null) {
      writer.flush();
    }
    super.flushBuffer();
  }

  private final class Checked extends Writer {
    private final PrintWriter of;

    Checked(PrintWriter of) {
      this.of = of;
    }

    @Override
    public void write(char[] from, int begin, int length) throws IOException {
      open.check();
      of.write(from, begin, length);
    }

    @Override
    public void flush() throws IOException {
      open.check();
      if (of.checkError()) { // which flushes
        throw new IOException("the response cannot be written");
      }
    }

    @Override
    public void close() throws IOException {
      open.check();
      of.close();
    }
  }

  private final class Output extends ServletOutputStream {
    private final ServletOutputStream of;

    Output(ServletOutputStream of) {
      this.of = of;
    }

    @Override
    public void write(int octet) throws IOException {
      open.check();
      of.write(octet);
    }

    @Override
    public void write(byte[] from, int begin, int length) throws IOException {
      open.check();
      of.write(from, begin, length);
    }

    @Override
    public void flush() throws IOException {
      open.check();
      of.flush();
    }

    @Override
    public void close() throws IOException {
      open.check(); // a response that is cut off is not closed as a whole one
      of.close();
    }

    @Override
    public boolean isReady() {
      return of.isReady();
    }

    @Override
    public void setWriteListener(WriteListener listener) {
      of.setWriteListener(listener);
    }
  }
}
