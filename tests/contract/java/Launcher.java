package contract;

import java.io.File;
import java.net.URL;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.connect.runtime.isolation.PluginClassLoader;

/**
 * Starts Decoders within the class loader that Connect's worker gives to a plugin, so that Avro and the converter are those of the worker:
 * Launcher CLASSES PLUGIN_FOLDER.
 */
public final class Launcher {
    public static void main(String[] folders) throws Exception {
        List<URL> places = new ArrayList<>();
        places.add(new File(folders[0]).toURI().toURL());
        for (File jar : new File(folders[1]).listFiles((folder, name) -> name.endsWith(".jar"))) {
            places.add(jar.toURI().toURL());
        }
        ClassLoader plugin = new PluginClassLoader(places.get(1), places.toArray(new URL[0]), Launcher.class.getClassLoader());
        Thread.currentThread().setContextClassLoader(plugin);
        plugin.loadClass("contract.Decoders").getMethod("answerAll").invoke(null);
    }
}
