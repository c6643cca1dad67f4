package contract;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.apicurio.registry.utils.converter.AvroConverter;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;

/**
 * What Java makes of bytes: one question a line on standard input, one answer a line on standard output, both JSON.
 *
 * read: Avro's GenericDatumReader with a writer's and a reader's schema, logical types left as bytes and longs.
 * compatible: Avro's own SchemaCompatibility on the same two.
 * convert: Connect's value converter, as the worker configures it.
 *
 * JSON has fewer types than Avro, so values of the others stand in an object of one name: {"bytes": hex}, {"map": …}, {"record": …},
 * {"decimal": text}, {"float": text}. What cannot be read is {"error": …}.
 */
public final class Decoders {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HexFormat HEX = HexFormat.of();
    private static AvroConverter<Object> converter;

    public static void answerAll() throws IOException {
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        // Whatever a library prints must not stand between the answers.
        System.setOut(System.err);
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            answers.println(JSON.writeValueAsString(answer(JSON.readTree(line))));
        }
    }

    private static JsonNode answer(JsonNode question) {
        switch (question.get("do").asText()) {
            case "read":
                return read(question);
            case "compatible":
                return compatible(question);
            case "configure":
                converter = new AvroConverter<>();
                converter.configure(JSON.convertValue(question.get("settings"), Map.class), false);
                return JSON.createObjectNode();
            case "convert":
                return convert(question);
            default:
                throw new IllegalArgumentException(question.toString());
        }
    }

    private static JsonNode read(JsonNode question) {
        ArrayNode values = JSON.createArrayNode();
        GenericDatumReader<Object> reader;
        try {
            // No conversions are known to this GenericData, so every value stays as Avro resolved it.
            reader = new GenericDatumReader<>(parsed(question, "writer"), parsed(question, "reader"), new GenericData());
        } catch (RuntimeException error) {
            question.get("bytes").forEach(each -> values.add(fault(error)));
            return values;
        }
        for (JsonNode each : question.get("bytes")) {
            values.add(read(reader, HEX.parseHex(each.asText())));
        }
        return values;
    }

    private static JsonNode read(GenericDatumReader<Object> reader, byte[] bytes) {
        BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(bytes, null);
        try {
            JsonNode found = plain(reader.read(null, decoder));
            return decoder.isEnd() ? found : fault(new IOException("bytes are left over"));
        } catch (IOException | RuntimeException error) {
            return fault(error);
        }
    }

    private static JsonNode compatible(JsonNode question) {
        Schema writer = parsed(question, "writer");
        SchemaCompatibility.SchemaCompatibilityResult result =
            SchemaCompatibility.checkReaderWriterCompatibility(parsed(question, "reader"), writer).getResult();
        ObjectNode answer = JSON.createObjectNode();
        answer.put("verdict", result.getCompatibility().name());
        result.getIncompatibilities().forEach(each -> answer.withArray("/why").add(each.getType().name()));
        return answer;
    }

    private static JsonNode convert(JsonNode question) {
        ObjectNode answer = JSON.createObjectNode();
        ArrayNode values = answer.putArray("values");
        for (JsonNode each : question.get("bytes")) {
            try {
                SchemaAndValue found = converter.toConnectData(question.get("topic").asText(), HEX.parseHex(each.asText()));
                answer.set("schema", told(found.schema()));
                values.add(plain(found.value()));
            } catch (RuntimeException error) {
                values.add(fault(error));
            }
        }
        return answer;
    }

    private static Schema parsed(JsonNode question, String side) {
        return new Schema.Parser().parse(question.get(side).asText());
    }

    private static JsonNode fault(Exception error) {
        return JSON.createObjectNode().put("error", error.getClass().getSimpleName() + ": " + error.getMessage());
    }

    /** A Connect schema as the sink sees it: type, name, whether it may be null, and its fields or items. */
    private static JsonNode told(org.apache.kafka.connect.data.Schema schema) {
        ObjectNode found = JSON.createObjectNode();
        found.put("type", schema.type().getName()).put("name", schema.name()).put("optional", schema.isOptional());
        if (schema.parameters() != null) {
            found.set("parameters", JSON.valueToTree(schema.parameters()));
        }
        if (schema.type() == org.apache.kafka.connect.data.Schema.Type.STRUCT) {
            ObjectNode fields = found.putObject("fields");
            schema.fields().forEach(field -> fields.set(field.name(), told(field.schema())));
        } else if (schema.type() == org.apache.kafka.connect.data.Schema.Type.ARRAY) {
            found.set("items", told(schema.valueSchema()));
        }
        return found;
    }

    private static JsonNode plain(Object value) {
        if (value == null || value instanceof Long || value instanceof Integer || value instanceof Boolean) {
            return JSON.valueToTree(value);
        }
        if (value instanceof Float || value instanceof Double) {
            return marked("float", value.toString());
        }
        if (value instanceof CharSequence || value instanceof GenericData.EnumSymbol) {
            return JSON.getNodeFactory().textNode(value.toString());
        }
        if (value instanceof BigDecimal decimal) {
            return marked("decimal", decimal.toPlainString());
        }
        if (value instanceof GenericData.Fixed fixed) {
            return marked("bytes", HEX.formatHex(fixed.bytes()));
        }
        if (value instanceof byte[] bytes) {
            return marked("bytes", HEX.formatHex(bytes));
        }
        if (value instanceof ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.duplicate().get(bytes);
            return marked("bytes", HEX.formatHex(bytes));
        }
        return container(value);
    }

    private static JsonNode container(Object value) {
        ObjectNode inside = JSON.createObjectNode();
        if (value instanceof List<?> items) {
            ArrayNode found = JSON.createArrayNode();
            items.forEach(item -> found.add(plain(item)));
            return found;
        }
        if (value instanceof Map<?, ?> map) {
            map.forEach((name, item) -> inside.set(name.toString(), plain(item)));
            return JSON.createObjectNode().set("map", inside);
        }
        if (value instanceof Struct struct) {
            for (Field field : struct.schema().fields()) {
                // Not get(), which puts the default in the place of a null.
                inside.set(field.name(), plain(struct.getWithoutDefault(field.name())));
            }
        } else {
            GenericData.Record found = (GenericData.Record) value;
            found.getSchema().getFields().forEach(field -> inside.set(field.name(), plain(found.get(field.pos()))));
        }
        return JSON.createObjectNode().set("record", inside);
    }

    private static JsonNode marked(String kind, String text) {
        return JSON.createObjectNode().put(kind, text);
    }
}
