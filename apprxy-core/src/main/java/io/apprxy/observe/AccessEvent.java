package io.apprxy.observe;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * One request, as it ended. Immutable.
 *
 * @param time when the request arrived
 * @param id the correlation id
 * @param application the application's id, or null if the request belonged to none
 * @param method the request method
 * @param path the canonical path; never the query, which may hold secrets
 * @param status the status of the response, or 0 if there was none
 * @param code the {@code APX-} code if the request failed, else null
 * @param duration until the last byte of the response
 * @param bytesReceived of the request's body, as far as it was forwarded
 * @param bytesSent of the response's body
 * @param clientAddress the client's address
 * @param subject the subject of the user, or null if nobody was known
 * @param user the name of the user, or null
 * @param route the origin or connector that served it, or null
 * @param originLatency until the response of the origin began, or null
 */
public record AccessEvent(
    Instant time,
    String id,
    @Nullable String application,
    String method,
    @Nullable String path,
    int status,
    @Nullable String code,
    Duration duration,
    long bytesReceived,
    long bytesSent,
    String clientAddress,
    @Nullable String subject,
    @Nullable String user,
    @Nullable String route,
    @Nullable Duration originLatency) {}
