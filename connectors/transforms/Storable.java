package de.binare.cdb;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.cache.Cache;
import org.apache.kafka.common.cache.LRUCache;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * Lets through what its table can hold, so that no record on a topic can stop the sink: Connect puts the others among its dead letters.
 *
 * Of a record by a newer schema only the table's columns go on: to the sink a field without a column is a fault that ends its task.
 * A missing optional field is left to the column, which is null then. The topic must be the table's name by now.
 *
 * `tables` holds a line for each table, `name|column kind|column kind…`, as `streams/operate/storable.py` writes it. Kinds: text(n), where
 * n is the longest in code points, text, json, long, boolean, bytes, decimal(p,s), time(n), where n is the latest in µs since 1970;
 * a question mark behind the kind says that the column may be null.
 */
public final class Storable<R extends ConnectRecord<R>> implements Transformation<R> {
    private static final String TIME = "io.debezium.time.MicroTimestamp";
    // What Postgres takes for a number within jsonb.
    private static final int PLACES_MAX = 16383;
    private static final int DIGITS_MAX = 131072;
    private static final JsonFactory JSON = JsonFactory.builder().streamReadConstraints(
        StreamReadConstraints.builder().maxNestingDepth(2000).maxNumberLength(200_000).build()).build();

    private record Column(String name, String kind, boolean optional, long[] bounds) {}

    private final Map<String, List<Column>> tables = new HashMap<>();
    private final Cache<Schema, Schema> reduced = new LRUCache<>(64);

    @Override
    public ConfigDef config() {
        return new ConfigDef().define("tables", ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "Columns of each table, with their kinds.");
    }

    @Override
    public void configure(Map<String, ?> settings) {
        for (String line : String.valueOf(settings.get("tables")).split("\n")) {
            String[] parts = line.split("\\|");
            List<Column> columns = new ArrayList<>();
            for (int index = 1; index < parts.length; index++) {
                columns.add(column(parts[index]));
            }
            tables.put(parts[0], columns);
        }
    }

    private static Column column(String told) {
        String[] words = told.split(" ");
        if (words.length != 2) {
            throw new ConfigException("tables", told, "a column must be a name and a kind");
        }
        boolean optional = words[1].endsWith("?");
        String kind = optional ? words[1].substring(0, words[1].length() - 1) : words[1];
        int open = kind.indexOf('(');
        if (open < 0) {
            return new Column(words[0], kind, optional, new long[0]);
        }
        String[] numbers = kind.substring(open + 1, kind.length() - 1).split(",");
        long[] bounds = new long[numbers.length];
        for (int index = 0; index < numbers.length; index++) {
            bounds[index] = Long.parseLong(numbers[index]);
        }
        return new Column(words[0], kind.substring(0, open), optional, bounds);
    }

    @Override
    public R apply(R record) {
        if (record.value() == null) {
            return record;
        }
        List<Column> columns = tables.get(record.topic());
        if (columns == null || !(record.value() instanceof Struct value)) {
            throw new DataException(record.topic() + " must be a table and its value a record");
        }
        int present = 0;
        for (Column column : columns) {
            present += check(record.topic(), column, value) ? 1 : 0;
        }
        return present == value.schema().fields().size() ? record : withColumnsAlone(record, value, columns);
    }

    private R withColumnsAlone(R record, Struct value, List<Column> columns) {
        Schema schema = reduced.get(value.schema());
        if (schema == null) {
            SchemaBuilder builder = SchemaBuilder.struct().name(value.schema().name());
            for (Column column : columns) {
                Field field = value.schema().field(column.name());
                if (field != null) {
                    builder.field(column.name(), field.schema());
                }
            }
            schema = builder.build();
            reduced.put(value.schema(), schema);
        }
        Struct kept = new Struct(schema);
        schema.fields().forEach(field -> kept.put(field, value.getWithoutDefault(field.name())));
        return record.newRecord(
            record.topic(), record.kafkaPartition(), record.keySchema(), record.key(), schema, kept, record.timestamp());
    }

    /** Whether the field is there; what is there can be stored. */
    private static boolean check(String table, Column column, Struct value) {
        Field field = value.schema().field(column.name());
        Object found = field == null ? null : value.getWithoutDefault(column.name());
        if (found == null && !column.optional()) {
            throw new DataException(table + "." + column.name() + " must have a value, had none");
        }
        if (found != null) {
            String broken = broken(column, field.schema(), found);
            if (broken != null) {
                throw new DataException(table + "." + column.name() + " must " + broken);
            }
        }
        return field != null;
    }

    private static String broken(Column column, Schema schema, Object value) {
        long[] bounds = column.bounds();
        switch (column.kind()) {
            case "text":
                return value instanceof String text ? brokenText(text, bounds) : wrong("text", schema);
            case "json":
                return value instanceof String text ? brokenJson(text) : wrong("text", schema);
            case "decimal":
                return value instanceof BigDecimal amount && Decimal.LOGICAL_NAME.equals(schema.name())
                    ? brokenAmount(amount, (int) bounds[0], (int) bounds[1]) : wrong("a decimal", schema);
            case "time":
                if (!(value instanceof Long time) || !TIME.equals(schema.name())) {
                    return wrong("a time in µs", schema);
                }
                return time < 0 || time > bounds[0] ? "be from 0 to " + bounds[0] + " µs, was " + time : null;
            case "long":
                return (value instanceof Long || value instanceof Integer) && schema.name() == null ? null : wrong("a number", schema);
            case "boolean":
                return value instanceof Boolean ? null : wrong("true or false", schema);
            case "bytes":
                return schema.type() == Schema.Type.BYTES && schema.name() == null ? null : wrong("bytes", schema);
            default:
                throw new ConfigException("tables", column.kind(), "must be a known kind");
        }
    }

    private static String wrong(String wanted, Schema schema) {
        return "be " + wanted + ", was " + schema.type() + (schema.name() == null ? "" : " " + schema.name());
    }

    private static String brokenText(String text, long[] bounds) {
        if (text.indexOf('\0') >= 0) {
            return "hold no NUL, had one at character " + (text.indexOf('\0') + 1);
        }
        if (bounds.length > 0 && text.length() > bounds[0] && text.codePointCount(0, text.length()) > bounds[0]) {
            return "have at most " + bounds[0] + " characters, had " + text.codePointCount(0, text.length());
        }
        return null;
    }

    private static String brokenAmount(BigDecimal amount, int precision, int scale) {
        if (amount.scale() > scale || amount.precision() - amount.scale() > precision - scale) {
            return "be decimal(" + precision + "," + scale + "), was of " + amount.precision() + " digits, " + amount.scale() + " places";
        }
        return null;
    }

    private static String brokenJson(String text) {
        try (JsonParser parser = JSON.createParser(text)) {
            int depth = 0;
            do {
                JsonToken token = parser.nextToken();
                if (token == null) {
                    return "be JSON, was without an end";
                }
                depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
                String broken = brokenToken(token, parser);
                if (broken != null) {
                    return broken;
                }
            } while (depth > 0);
            return parser.nextToken() == null ? null : "be one JSON value, had more";
        } catch (IOException | RuntimeException error) {
            return "be JSON that jsonb takes: " + error.getMessage().lines().findFirst().orElse("");
        }
    }

    private static String brokenToken(JsonToken token, JsonParser parser) throws IOException {
        if (token == JsonToken.VALUE_STRING || token == JsonToken.FIELD_NAME) {
            return isStorable(parser.getText()) ? null : "be JSON that jsonb takes, had NUL or half a character in a text";
        }
        if (token.isNumeric()) {
            BigDecimal number = parser.getDecimalValue();
            if (number.scale() > PLACES_MAX || (long) number.precision() - number.scale() > DIGITS_MAX) {
                return "be JSON that jsonb takes, had a number of more digits";
            }
        }
        return null;
    }

    private static boolean isStorable(String text) {
        for (int index = 0; index < text.length(); index++) {
            char found = text.charAt(index);
            if (found == 0 || Character.isLowSurrogate(found)) {
                return false;
            }
            if (Character.isHighSurrogate(found) && (++index == text.length() || !Character.isLowSurrogate(text.charAt(index)))) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void close() {}
}
