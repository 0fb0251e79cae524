/**
 * Origins without an inbound port. The {@link io.apprxy.tunnel.Connector} dials out to the {@link
 * io.apprxy.tunnel.TunnelServer} and the connection is turned around (draft-kazuho-ptth-ptth): the
 * gateway is the HTTP/2 client on it, the connector the server.
 */
@NullMarked
package io.apprxy.tunnel;

import org.jspecify.annotations.NullMarked;
